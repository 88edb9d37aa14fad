# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust boundary: the one place where a host's facts become data that the controller uses.

A host may be compromised. Its facts are validated against the one table of facts and copied;
past this point code relies on types, bounds and valid Unicode.
"""

from ansible_collections.cipu.clock.plugins.module_utils._host.facts_spec import FACTS, SCHEMA
from ansible_collections.cipu.clock.plugins.module_utils._host.typed import Malformed, named


def admit(facts):
    """A plain copy of the facts that conform to the schema. Raises Malformed."""
    if isinstance(facts, dict) and facts and facts.get("schema") != SCHEMA:
        schema = facts.get("schema")
        is_number = isinstance(schema, int) and not isinstance(schema, bool)
        reported = min(schema, 10**9) if is_number else named(schema)
        raise Malformed("schema", "is {0}, not {1}".format(reported, SCHEMA))
    return FACTS.admit(facts)


def comparable(facts, previous):
    """The previous facts as a plain copy; {} where they cannot be compared with these.

    Facts of another schema or of another boot state nothing about this boot.
    """
    try:
        admitted = admit(previous)
    except Malformed:
        return {}
    same_boot = facts.get("boot_id") and facts["boot_id"] == admitted.get("boot_id")
    return admitted if same_boot else {}
