# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel that boots next, in simulated trees of GRUB, BLS and other boot loaders."""

import pytest
from ansible_collections.cipu.clock.plugins.module_utils._host import boot_order
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree

OLD, NEW = "6.1.0-39-amd64", "6.1.0-40-amd64"
EL, ML = "5.14.0-427.el9.x86_64", "6.16.0-1.el9.elrepo.x86_64"
MACHINE = "0d5bd4a36c4e4a1e9b5e1f6a2b3c4d5e"

# As grub-mkconfig of Debian 12 writes it, shortened.
DEBIAN_CFG = """
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
function recordfail {
  set recordfail=1
}
menuentry 'Debian GNU/Linux' $menuentry_id_option 'gnulinux-simple-UUID' {
\tload_video
\techo\t'Loading Linux 6.1.0-40-amd64 ...'
\tlinux\t/boot/vmlinuz-6.1.0-40-amd64 root=UUID=x ro  quiet
\tinitrd\t/boot/initrd.img-6.1.0-40-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-UUID' {
\tmenuentry 'Debian, with Linux 6.1.0-40-amd64' $menuentry_id_option 'gnulinux-6.1.0-40-advanced' {
\t\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\t\tlinux\t/boot/vmlinuz-6.1.0-40-amd64 root=UUID=x ro  quiet
\t}
\tmenuentry 'Debian, with Linux 6.1.0-39-amd64' $menuentry_id_option 'gnulinux-6.1.0-39-advanced' {
\t\tlinux\t/boot/vmlinuz-6.1.0-39-amd64 root=UUID=x ro  quiet
\t}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
"""
RHEL_CFG = """
load_env -f ${config_directory}/grubenv
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
insmod blscfg
blscfg
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
"""


def put(tmp_path, name, text=""):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def grubenv(**fields):
    lines = ["{0}={1}\n".format(key, value) for key, value in fields.items()]
    return "# GRUB Environment Block\n" + "".join(lines) + "#" * 100


def bls(tmp_path, release, folder="boot/loader/entries", name=None):
    put(
        tmp_path,
        "{0}/{1}-{2}.conf".format(folder, MACHINE, name or release),
        "title Rocky Linux ({0}) 9.4\nversion {0}\nlinux /vmlinuz-{0}\n"
        "initrd /initramfs-{0}.img\ngrub_class rocky\n".format(release),
    )


@pytest.mark.parametrize(
    "default, environment, expected",
    [
        ("0", {}, NEW),
        ("1>1", {}, OLD),
        ("1", {}, NEW),
        ("Advanced options for Debian GNU/Linux>Debian, with Linux " + OLD, {}, OLD),
        ("gnulinux-advanced-UUID>gnulinux-6.1.0-39-advanced", {}, OLD),
        ("0", {"next_entry": "1>1"}, OLD),
        ("0", {"saved_entry": "1>1"}, NEW),  # this grub.cfg does not read saved_entry
        ("${saved_entry}", {"saved_entry": "1>1"}, OLD),
        ("${saved_entry}", {}, NEW),
        ("${saved_entry}", {"saved_entry": "an entry that was removed"}, NEW),
        ("9", {}, NEW),
    ],
)
def test_entries_of_grub_cfg(tmp_path, default, environment, expected):
    put(tmp_path, "boot/grub/grub.cfg", DEBIAN_CFG.replace("DEFAULT", default))
    put(tmp_path, "boot/grub/grubenv", grubenv(**environment))
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-" + OLD)
    assert boot_order.next_to_boot(Tree(str(tmp_path)), [OLD, NEW]) == expected


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize(
    "environment, expected",
    [
        ({"saved_entry": "{0}-{1}".format(MACHINE, EL)}, EL),
        ({"saved_entry": "Rocky Linux ({0}) 9.4".format(EL)}, EL),
        ({"saved_entry": "1"}, EL),
        ({"saved_entry": "0"}, ML),
        ({"saved_entry": "{0}-5.14.0-1.el9.x86_64".format(MACHINE)}, ML),
        ({"saved_entry": "0", "next_entry": "{0}-{1}".format(MACHINE, EL)}, EL),
    ],
)
def test_entries_of_bls_under_grub(tmp_path, environment, expected, readable):
    if readable:
        put(tmp_path, "boot/grub2/grub.cfg", RHEL_CFG)
    put(tmp_path, "boot/grub2/grubenv", grubenv(**environment))
    for release in (EL, ML):
        bls(tmp_path, release)
    bls(tmp_path, "0-rescue-" + MACHINE)
    assert boot_order.next_to_boot(Tree(str(tmp_path)), [EL, ML]) == expected


def test_updatedefault_no_keeps_the_saved_entry(tmp_path):
    put(tmp_path, "etc/sysconfig/kernel", "UPDATEDEFAULT=no\nDEFAULTKERNEL=kernel-core\n")
    put(tmp_path, "boot/grub2/grub.cfg", RHEL_CFG)
    put(tmp_path, "boot/grub2/grubenv", grubenv(saved_entry=MACHINE + "-" + EL))
    newer = "5.14.0-503.el9.x86_64"
    for release in (EL, newer, newer + "+debug"):
        bls(tmp_path, release)
    assert boot_order.next_to_boot(Tree(str(tmp_path)), [EL, newer, newer + "+debug"]) == EL


def test_grubenv_behind_a_link_into_the_efi_partition(tmp_path):
    put(tmp_path, "boot/grub2/grub.cfg", RHEL_CFG)
    put(tmp_path, "boot/efi/EFI/rocky/grubenv", grubenv(saved_entry=MACHINE + "-" + EL))
    (tmp_path / "boot/grub2/grubenv").symlink_to("../efi/EFI/rocky/grubenv")
    put(tmp_path, "boot/efi/EFI/rocky/grub.cfg", "configfile $prefix/grub.cfg\n")
    for release in (EL, ML):
        bls(tmp_path, release)
    assert boot_order.next_to_boot(Tree(str(tmp_path)), [EL, ML]) == EL


@pytest.mark.parametrize(
    "conf, expected",
    [("default {0}-{1}.conf\n".format(MACHINE, EL), EL), ("default *-5.14*\n", EL), ("", ML)],
)
def test_systemd_boot(tmp_path, conf, expected):
    put(tmp_path, "boot/efi/loader/loader.conf", "timeout 3\n" + conf)
    for release in (EL, ML):
        bls(tmp_path, release, "boot/efi/loader/entries")
    assert boot_order.next_to_boot(Tree(str(tmp_path)), [EL, ML]) == expected


def test_a_link_counts_only_for_a_boot_loader_that_reads_it(tmp_path):
    releases = ["5.17.0", "6.0.1", "6.0.3"]
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz").symlink_to("vmlinuz-5.17.0")
    tree = Tree(str(tmp_path))
    assert boot_order.next_to_boot(tree, releases) == "6.0.3"
    put(tmp_path, "etc/lilo.conf")
    assert boot_order.next_to_boot(tree, releases) == "5.17.0"
    assert boot_order.next_to_boot(tree, ["6.0.1", "6.0.3"]) == "6.0.3"
    assert boot_order.next_to_boot(tree, []) is None


def test_debug_kernels_are_not_the_newest(tmp_path):
    releases = [EL, EL + "+debug"]
    assert boot_order.next_to_boot(Tree(str(tmp_path)), releases) == EL


@pytest.mark.parametrize(
    "text", ["menuentry", "menuentry {\n", "submenu 'a' {\n" * 50, "linux\n}\n}"]
)
def test_a_damaged_grub_cfg_does_not_crash(tmp_path, text):
    put(tmp_path, "boot/grub/grub.cfg", text + "\nmenuentry 'x' {\nlinux\n}\n")
    assert boot_order.next_to_boot(Tree(str(tmp_path)), [OLD, NEW]) == NEW
