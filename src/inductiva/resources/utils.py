"""Who provides machines."""

from __future__ import annotations

from inductiva.protocol.compute import Provider


def provider_of(name: str | Provider) -> Provider:
    """The provider of this name, in any case. Raises ValueError when there is none."""
    try:
        return Provider(str(name).upper())
    except ValueError:
        known = ", ".join(provider.value for provider in Provider)
        raise ValueError(f"unknown provider {name!r}; known are {known}") from None


ProviderType = Provider
