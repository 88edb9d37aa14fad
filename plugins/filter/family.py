# SPDX-License-Identifier: GPL-3.0-or-later
"""The family of distributions that a host belongs to, as the roles' tables name it."""

DOCUMENTATION = r"""
name: family
short_description: Family of a host's distribution
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - As C(os_family) of M(ansible.builtin.setup), and also for distributions that it does not know to
    belong to one.
options:
  _input:
    description: The facts of a host, with C(distribution) and C(os_family).
    type: dict
    required: true
"""

EXAMPLES = r"""
packages: "{{ tables[ansible_facts | cipu.clock.family] }}"
"""

RETURN = r"""
_value:
  description: Name of the family, such as V(Debian) or V(RedHat).
  type: str
"""

# Anolis OS is made of the same packages under the same names.
RELATIVES = {"Anolis": "RedHat", "Anolis OS": "RedHat"}


def family(facts):
    return RELATIVES.get(facts["distribution"], facts["os_family"])


class FilterModule:
    def filters(self):
        return {"family": family}
