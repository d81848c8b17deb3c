"""The keys of all authorities, each once, and who holds them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from webhook.core.policy import Authority, KeyAuthority
from webhook.core.references import Digest
from webhook.core.signatures.keys import PublicKey

__all__ = ["HeldKey", "Keyring"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A key and the authorities for which it speaks, in the order of the policy; at least one."""

    key: PublicKey
    holders: tuple[KeyAuthority, ...]

    @property
    def hint(self) -> bytes:
        """The fingerprint as a bundle of cosign spells it."""
        return base64.b64encode(bytes.fromhex(self.key.fingerprint.hex))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """All keys of a policy by fingerprint, in the order of the policy."""

    keys: Mapping[Digest, HeldKey]

    @classmethod
    def of(cls, authorities: tuple[Authority, ...]) -> Keyring:
        """Collect the keys; one that several authorities share comes once, with all its holders."""
        keys: dict[Digest, HeldKey] = {}
        for authority in (one for one in authorities if isinstance(one, KeyAuthority)):
            for key in authority.keys:
                holders = keys[key.fingerprint].holders if key.fingerprint in keys else ()
                keys[key.fingerprint] = HeldKey(key=key, holders=(*holders, authority))
        return cls(keys=keys)

    def signer(self, signature: bytes, message: bytes, *, hinted: HeldKey | None = None) -> HeldKey | None:
        """Return the key that made `signature` over `message`, trying the hinted one first; None if it is no one's."""
        tried = (hinted, *(held for held in self.keys.values() if held is not hinted))
        return next((held for held in tried if held is not None and held.key.verifies(signature, message)), None)
