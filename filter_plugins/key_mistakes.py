"""The `key_mistakes` filter: public keys that are weak, malformed or shared."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

# Type in front of a key: its number of fields on the wire, the type among them.
FIELDS = {
    "ssh-ed25519": 2,
    "sk-ssh-ed25519@openssh.com": 3,
    "ssh-rsa": 3,
    "ssh-dss": 5,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
RSA_BITS = 3072
ED25519_BYTES = 32
BETTER = "make an Ed25519 key: ssh-keygen -t ed25519"
WHOLE = "copy the whole line of the .pub file"
# In the keys of inventories/example, whose private halves nobody has.
PLACEHOLDER = "ReplaceWithYourOwn"


def fields_of(blob: bytes) -> list[bytes]:
    """Return the length-prefixed fields of an SSH key. Raises ValueError when the lengths do not add up."""
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            raise ValueError("the key is cut short")
        fields.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return fields


def strength(kind: str, fields: list[bytes]) -> tuple[str, str, str] | None:
    """Return (level, what was found, fix) for the parts of a well-formed key, or None for a strong one."""
    if kind.endswith("ed25519") or kind.startswith("sk-ssh"):
        short = len(fields[1]) != ED25519_BYTES
        return ("mistake", f"{kind} of a wrong length", WHOLE) if short else None
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[2], "big").bit_length()
        weak = ("mistake", f"an RSA key of {bits} bits", f"{BETTER}, or RSA from {RSA_BITS} bits")
        return weak if bits < RSA_BITS else None
    if kind.startswith("ecdsa"):
        return "warning", "an ECDSA key", f"legal, but weak where random numbers are: {BETTER}"
    return None


def verdict(text: str) -> tuple[str, str, str] | None:
    """Return (level, what was found, fix) for a public key `type base64`, or None for a strong one."""
    words = text.split()
    kind = words[0] if words else "nothing"
    bad = None
    if "PRIVATE KEY" in text:
        bad = (
            "(a private key, not shown)",
            "write the .pub file's line, and replace the key: it is no secret any more",
        )
    elif PLACEHOLDER in text:
        bad = ("the example's key", "write your own public key: nobody has the private half of this one")
    elif kind not in FIELDS:
        bad = (kind[:60], "write `type base64` without options in front; certificates are not taken")
    elif kind == "ssh-dss":
        bad = ("a DSA key", BETTER)
    if bad:
        return "mistake", *bad
    try:
        fields = fields_of(base64.b64decode(words[1], validate=True))
    except (IndexError, ValueError, binascii.Error):
        return "mistake", f"{kind} with damaged base64", WHOLE
    if len(fields) != FIELDS[kind] or fields[0] != kind.encode():
        return "mistake", f"{kind} in front of another kind of key", WHOLE
    return strength(kind, fields)


def key_mistakes(cat: Any) -> list[dict[str, str]]:
    """Return weak, malformed and shared keys as [{level, entry, key, value, fix}], sorted.

    Never raises on a tolerant catalogue.
    """
    found: list[dict[str, str]] = []
    holders: dict[str, list[str]] = defaultdict(list)

    def judge(entry: str, key: str, text: str, fingerprint: str | None, holder: str) -> None:
        if (bad := verdict(text)) is not None:
            found.append({"level": bad[0], "entry": entry, "key": key, "value": bad[1], "fix": bad[2]})
        elif fingerprint:
            holders[fingerprint].append(holder)

    for person in cat["people"]:
        entry = f"person {person['name']}"
        for key in person["keys"]:
            if key["key"]:
                judge(
                    entry,
                    f"keys[{key['name']}].key",
                    key["key"],
                    key["fingerprint"],
                    f"person {person['name']}: {key['name']}",
                )
            if person["factors"] == "fido2" and key["type"] and not key["type"].startswith("sk-"):
                fix = "use a key of a security key (ssh-keygen -t ed25519-sk -O verify-required), or set factors: key"
                found.append(
                    {
                        "level": "mistake",
                        "entry": entry,
                        "key": f"keys[{key['name']}].key",
                        "value": key["type"],
                        "fix": fix,
                    }
                )
    for name, host in cat["hosts"].items():
        if isinstance(host, Mapping) and (text := host["ssh"]["host_key"]):
            judge(f"host {name}", "host.ssh.host_key", text, text, f"host {name}")
    for shared in holders.values():
        if len(shared) > 1:
            fix = "give each person, and each host, a key of its own"
            found.append(
                {
                    "level": "mistake",
                    "entry": shared[1].split(":")[0],
                    "key": "key",
                    "value": f"the same key as {shared[0]}",
                    "fix": fix,
                }
            )
    return sorted(found, key=lambda item: (item["entry"], item["key"], item["value"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        """Return the filter by name."""
        return {"key_mistakes": key_mistakes}
