"""`inductiva user info`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from inductiva.cli.output import Answer, read_command

if TYPE_CHECKING:
    from inductiva.protocol.users import Quota, User


@read_command()
def info() -> Answer:
    """Show the account, its costs and its quotas.

    JSON: {"user", "costs", "quotas"}, each as in the REST API; costs are those of this month.
    """
    from inductiva.api import users

    now = datetime.now()
    user, costs, quotas = users.info(), users.costs(now.year, now.month), users.quotas()
    data = {"user": user, "costs": costs, "quotas": quotas}
    return Answer(data, lambda: f"{_account(user)}{_costs(costs)}{_quotas(quotas)}")


def _account(user: User) -> str:
    rows = {
        "Name": user.name,
        "Email": user.email,
        "Username": user.username,
        "Organization": user.organization,
        "Plan": user.tier,
        "Credits": f"{user.total_available_credits:.2f} US$",
    }
    return "\n" + "".join(f" {label + ':':<14} {value}\n" for label, value in rows.items() if value)


def _costs(costs: dict[str, Any]) -> str:
    """The cost of this month so far and what it consists of."""
    from inductiva.utils.format_utils import currency_formatter

    months = costs.get("costs") or []
    if not months:
        return ""
    total = f" Costs of this month: {currency_formatter(months[-1].get('total'))}\n"
    parts = months[-1].get("components") or {}
    lines = (f"   {name.replace('_', ' ') + ':':<20} {currency_formatter(amount)}\n" for name, amount in parts.items())
    return f"\n{total}{''.join(lines)}"


def _quotas(quotas: dict[str, Quota]) -> str:
    """One table of what the account may use together, one of what each machine group may have."""
    from inductiva.protocol.users import QuotaScope
    from inductiva.utils import tables

    def amount(value: float | None, unit: str) -> str:
        return "no limit" if value is None else f"{value:g} {unit}".rstrip()

    together = [
        [quota.label, f"{quota.in_use or 0:g} {quota.unit}".rstrip(), amount(quota.max_allowed, quota.unit)]
        for quota in quotas.values()
        if quota.scope is QuotaScope.GLOBAL
    ]
    each = [
        [quota.label, amount(quota.max_allowed, quota.unit)]
        for quota in quotas.values()
        if quota.scope is QuotaScope.INSTANCE
    ]
    text = ""
    if together:
        text += tables.render_for_terminal(["Account", "Current usage", "Max allowed"], together)
    if each:
        text += tables.render_for_terminal(["One machine group", "Max allowed"], each)
    return text
