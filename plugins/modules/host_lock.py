#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: host_lock
short_description: Keep two controllers from changing a host at the same time
version_added: 0.1.0
author:
  - The cipu.clock maintainers (@cipu-clock)
description:
  - Takes or releases a lock on the host. It belongs to the run of ansible-playbook that took it, so
    a task of the same run that takes it again succeeds without a change.
  - The lock is a file that names its holder. The file is in C(/run), so a restart of the host
    releases it.
  - A lock is replaced without waiting if its holder ran on this controller and no longer runs, for
    example because it was killed. The controller compares the boot, the PID namespace, the process
    and its start time, so this needs a controller with Linux and the same container, if any.
  - Otherwise a lock is replaced O(limit_s) seconds after it was taken.
extends_documentation_fragment:
  - cipu.clock.attributes
  - cipu.clock.attributes.actiongroup_clock
attributes:
  check_mode:
    support: full
    details: Fails if another run has the lock, and takes no lock.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) takes the lock, or fails and names the holder.
      - V(absent) releases it if this run has it. The lock of another run is kept.
    type: str
    choices: [present, absent]
    default: present
  path:
    description: Absolute path of the lock file.
    type: path
    default: /run/cipu-clock.lock
  playbook:
    description: Name of the playbook, for the message to another run.
    type: str
    default: rollout
  wait_s:
    description: Number of seconds to wait for another run to release the lock.
    type: int
    default: 0
  limit_s:
    description:
      - Number of seconds after which a lock is replaced, although it was not released. With V(0)
        any lock is replaced.
      - It must be longer than the slowest batch, because a host keeps its lock until its batch
        ends.
    type: int
    default: 86400
  owner:
    description:
      - The run of ansible-playbook that takes or releases the lock.
      - The action plugin of this module sets it on the controller; a value of a task is ignored.
    type: dict
  replaces:
    description:
      - Identifier of a run that has ended, whose lock is replaced.
      - The action plugin of this module sets it on the controller; a value of a task is ignored.
    type: str
    default: ""
seealso:
  - module: cipu.clock.host_record
"""

EXAMPLES = r"""
- name: Change the host
  block:
    - name: Lock the host
      cipu.clock.host_lock:
        wait_s: 600

    - name: Set up the driver
      ansible.builtin.include_role:
        name: cipu.clock.driver
  always:
    - name: Unlock the host
      cipu.clock.host_lock:
        state: absent
"""

RETURN = r"""
replaced:
  description: The stale lock that was replaced.
  returned: with O(state=present), if there was one
  type: dict
  contains:
    controller:
      description: Name of the controller.
      type: str
      sample: ctl1
    user:
      description: User who ran ansible-playbook there.
      type: str
      sample: alice
    pid:
      description: Process of ansible-playbook.
      type: str
      sample: "4711"
    playbook:
      description: Name of the playbook.
      type: str
      sample: rollout
    since:
      description: Time at which the lock was taken in UTC, by the clock of the host.
      type: str
      sample: "2026-01-01T00:00:00Z"
    age_s:
      description: Number of seconds since then, by a clock that is never set.
      type: int
      sample: 340
holder:
  description: The run that has the lock, with the keys of RV(replaced).
  returned: if the task fails because of that run
  type: dict
  sample: {controller: ctl1, user: alice, pid: "4711", playbook: rollout, age_s: 340}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cipu.clock.plugins.module_utils._host import run_lock

SHOWN = ("id", "playbook", "controller", "user", "pid", "since", "age_s")


def shown(holder):
    return {name: holder[name] for name in SHOWN}


def message(holder, playbook):
    return (
        "The playbook {playbook} of {user} on {controller}, process {pid}, has locked this host "
        "since {since} ({age_s} s). Wait until it ends and run this again. If it no longer runs, "
        "set cipu_{own}_lock_limit_s to 0 for this run.".format(own=playbook, **shown(holder))
    )


def run(module):
    params = module.params
    path, owner, check_mode = params["path"], params["owner"], module.check_mode
    if params["state"] == "absent":
        return {"changed": run_lock.release(path, owner, check_mode)}
    options = (path, owner, params["limit_s"], params["replaces"], check_mode)
    changed, stale = run_lock.acquire_within(params["wait_s"], *options)
    result = {"changed": changed}
    if stale:
        result["replaced"] = shown(stale)
    return result


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "path": {"type": "path", "default": "/run/cipu-clock.lock"},
            "playbook": {"type": "str", "default": "rollout"},
            "wait_s": {"type": "int", "default": 0},
            "limit_s": {"type": "int", "default": 86400},
            # Set by the action of the same name, which runs on the controller.
            "owner": {"type": "dict"},
            "replaces": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    if not module.params["owner"]:
        module.fail_json(msg="host_lock was run without its action plugin, which names the owner.")
    try:
        module.exit_json(**run(module))
    except run_lock.Held as reason:
        holder = shown(reason.holder)
        module.fail_json(msg=message(reason.holder, module.params["playbook"]), holder=holder)
    except (run_lock.Unlockable, OSError) as reason:
        module.fail_json(msg="host_lock: {0}".format(reason))


if __name__ == "__main__":
    main()
