# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs clock_facts on a host for an action plugin, and keeps the facts of the clock alone.

The result of a module can set facts, add hosts and mark the host as unreachable. A host may be
compromised, so everything but the facts of the clock is dropped.
"""

from ansible.errors import AnsibleConnectionFailure, AnsibleError

MODULE = "cipu.clock.clock_facts"
FACT = "cipu_clock"


def gather(action, arguments, variables):
    """The facts as the host returned them, or None and the reason."""
    try:
        returned = action._execute_module(
            module_name=MODULE, module_args=arguments, task_vars=variables
        )
        action._remove_tmp_path(action._connection._shell.tmpdir)
    except AnsibleConnectionFailure:
        # Ansible reports the host as unreachable.
        raise
    except RecursionError:
        return None, "The facts are malformed: they are nested too deeply."
    except (AnsibleError, ValueError) as error:
        return None, _refused(str(error))
    facts = returned.get("ansible_facts")
    facts = facts.get(FACT) if isinstance(facts, dict) else None
    if facts is None or returned.get("failed"):
        return None, _refused(_failure(returned))
    return facts, None


def _refused(reason):
    """The sentence for a reason. ansible-core itself refuses a reply that is not valid Unicode."""
    if "surrogates not allowed" in reason or "returned non UTF-8 data" in reason:
        return "The facts are malformed: they are not valid Unicode."
    return "clock_facts failed: {0}".format(reason)


def _failure(returned):
    """Why the module failed.

    If Python does not start or crashes, ansible-core's own sentence does not say why. The first
    line of the output does, or the last one of a traceback.
    """
    message = str(returned.get("msg") or "it returned no facts of the clock")
    output = str(returned.get("module_stderr") or returned.get("module_stdout") or "").strip()
    if not output:
        return message
    line = output.splitlines()[-1 if "Traceback" in output else 0]
    return "{0} ({1})".format(line.strip(), message.splitlines()[0])
