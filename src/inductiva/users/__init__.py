"""The account."""

from inductiva.users import methods
from inductiva.users.methods import get_costs, get_info, get_quotas

__all__ = ["get_costs", "get_info", "get_quotas", "methods"]
