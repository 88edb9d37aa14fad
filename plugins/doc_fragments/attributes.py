# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes that every module of the collection declares."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description:
      - Returns details on what has changed (or would change in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation
        indicates no change.
      - This assumes that the system controlled or queried by the module has not changed in a
        relevant way.
"""

    # For modules that change nothing.
    FACTS = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: Changes nothing, and does the same in check mode.
  diff_mode:
    support: N/A
    details: Nothing is changed.
  idempotent:
    support: full
"""

    # For every module: one place for options such as become, in module_defaults.
    ACTIONGROUP_CLOCK = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/cipu.clock.clock) in C(module_defaults) to set defaults for this.
    support: full
    membership:
      - cipu.clock.clock
"""
