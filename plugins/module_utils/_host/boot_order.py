# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel the host boots next, as its boot loader decides it.

GRUB reads its variables from grubenv and its entries from BLS files or grub.cfg; systemd-boot reads
loader.conf and the same BLS files. A link such as /boot/vmlinuz counts only without either: GRUB
does not read it, and distributions leave it stale.
"""

import fnmatch
import re

from ansible_collections.cipu.clock.plugins.module_utils._host import kernels

GRUB_FOLDERS = ("/boot/grub2", "/boot/grub")
EFI_VENDORS = "/boot/efi/EFI"
BLS_FOLDERS = ("/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries")
LOADER_CONFS = (
    "/boot/loader/loader.conf",
    "/boot/efi/loader/loader.conf",
    "/efi/loader/loader.conf",
)
GRUB_CFG_LIMIT = 1024 * 1024
# The relevant part of the grub.cfg of BLS systems, which only root can read.
UNREADABLE_CFG = "load_env\nset default=${next_entry}\nset default=${saved_entry}\nblscfg\n"
# Boot loaders that start what the links name.
LINK_LOADERS = ("/etc/lilo.conf", "/etc/zipl.conf", "/boot/extlinux/extlinux.conf")
LINKS = ("/vmlinuz", "/boot/vmlinuz")
KERNEL_FILE = re.compile(r"(?:^|/)(?:vmlinuz|vmlinux|Image|image)-(\S+?)(?:\.efi)?$")


class Entry:
    """One entry of the boot menu. `keys` are the names that a default may use for it."""

    def __init__(self, keys, release=None, children=None):
        self.keys = [key for key in keys if key]
        self.release = release
        self.children = children  # None, or the entries of a submenu


def next_to_boot(tree, releases):
    """The release that boots next; the newest if the boot loader's choice is not readable."""
    release = _grub(tree)
    if release is None:
        release = _systemd_boot(tree)
    if release is None:
        release = _link(tree)
    return release if release in releases else kernels.newest(releases)


# GRUB.


def _grub(tree):
    folders = list(GRUB_FOLDERS)
    folders += [EFI_VENDORS + "/" + vendor for vendor in tree.names(EFI_VENDORS)]
    texts = [tree.text(folder + "/grub.cfg", GRUB_CFG_LIMIT) for folder in folders]
    config = next((t for t in texts if t and re.search(r"\b(?:menuentry|blscfg)\b", t)), None)
    environment = next((e for e in (_grubenv(tree, f) for f in folders) if e), {})
    if config is None and environment.get("saved_entry"):
        config = UNREADABLE_CFG
    if config is None:
        return None
    entries = _menu(config)
    if re.search(r"^\s*blscfg\b", config, re.MULTILINE):
        # blscfg adds its entries at its place; the entries of grub.cfg itself follow.
        entries = _bls(tree) + entries
    for default in _defaults(config, environment):
        found = _find(entries, default)
        if found is not None:
            return found.release
    first = _find(entries, "0")
    return first.release if first else None


def _grubenv(tree, folder):
    text = tree.text(folder + "/grubenv", 8192)
    fields = dict(
        line.split("=", 1)
        for line in (text or "").splitlines()
        if "=" in line and not line.startswith("#")
    )
    return {key: value for key, value in fields.items() if value}


def _defaults(config, environment):
    """Names of the next entry, in the order in which grub.cfg considers them."""
    loads = "load_env" in config
    if loads and "next_entry" in config and environment.get("next_entry"):
        yield environment["next_entry"]
    literal = None
    for found in re.finditer(r"^\s*set\s+default=(\"[^\"]*\"|'[^']*'|\S+)", config, re.MULTILINE):
        value = found.group(1).strip("\"'")
        if value in {"${next_entry}", "$next_entry"}:
            continue
        if value in {"${saved_entry}", "$saved_entry"}:
            literal = environment.get("saved_entry") if loads else None
        elif "$" not in value:
            literal = value
    if literal:
        yield literal


def _words(line):
    """Words of a line of GRUB's shell, quotes removed."""
    return [
        next(part for part in found if part)
        for found in re.findall(r"'([^']+)'|\"([^\"]+)\"|([^\s'\"]+)", line)
    ]


def _menu(config):
    """The entries of grub.cfg, with the entries of submenus."""
    top = []
    stack = [top]
    inside = None
    for raw in config.splitlines():
        line = raw.strip()
        if re.match(r"(?:menuentry|submenu)\s", line) and line.endswith("{"):
            words = _words(line[:-1])
            entry = Entry(words[1:2] + _ids(words))
            stack[-1].append(entry)
            if words[0] == "submenu":
                entry.children = []
                stack.append(entry.children)
            else:
                inside = entry
        elif line == "}" and inside is not None:
            inside = None
        elif line == "}" and len(stack) > 1:
            stack.pop()
        elif inside is not None and re.match(r"linux(?:16|efi)?\s", line):
            inside.release = inside.release or _release(_words(line)[1])
    return top


def _ids(words):
    """The identifier follows --id, or the variable that stands for it."""
    marks = {"--id", "$menuentry_id_option", "${menuentry_id_option}"}
    return [words[i + 1] for i, word in enumerate(words[:-1]) if word in marks] + [
        word[len("--id=") :] for word in words if word.startswith("--id=")
    ]


def _find(entries, default):
    """The entry that a default such as "0", "1>2", a title or an identifier names."""
    head, _more, tail = default.partition(">")
    chosen = None
    for entry in entries:
        if default in entry.keys:
            chosen, tail = entry, ""
            break
        if head in entry.keys:
            chosen = entry
            break
    if chosen is None and head.strip().isdigit() and int(head) < len(entries):
        chosen = entries[int(head)]
    if chosen is None:
        return None
    if chosen.children is not None:
        return _find(chosen.children, tail or "0")
    return chosen


# Boot Loader Specification.


def _bls(tree):
    """Its entries, the newest first, as GRUB and systemd-boot sort them."""
    for folder in BLS_FOLDERS:
        names = [name for name in tree.names(folder) if name.endswith(".conf")]
        if names:
            names.sort(key=_bls_key, reverse=True)
            return [_bls_entry(tree, folder, name[: -len(".conf")]) for name in names]
    return []


def _bls_key(name):
    release = re.sub(r"^[0-9a-f]{32}-", "", name[: -len(".conf")])
    # The rescue entry "0-rescue" sorts last by its number, and "~" before the end of a name.
    return kernels.version_key(release.partition("~")[0]), "~" not in release


def _bls_entry(tree, folder, name):
    fields = {}
    for line in (tree.text("{0}/{1}.conf".format(folder, name)) or "").splitlines():
        key, _blank, value = line.strip().partition(" ")
        fields.setdefault(key, value.strip())
    release = _release(fields.get("linux", "")) or fields.get("version")
    return Entry([name, fields.get("title")], release)


def _systemd_boot(tree):
    entries = _bls(tree)
    if not entries:
        return None
    for path in LOADER_CONFS:
        found = re.search(r"^default\s+(\S+)", tree.text(path) or "", re.MULTILINE)
        for entry in entries if found else ():
            if fnmatch.fnmatch(entry.keys[0] + ".conf", found.group(1)) or fnmatch.fnmatch(
                entry.keys[0], found.group(1)
            ):
                return entry.release
    return entries[0].release


# Links.


def _link(tree):
    if not any(tree.is_file(loader) for loader in LINK_LOADERS):
        return None
    for link in LINKS:
        release = _release(tree.link(link) or "")
        if release:
            return release
    return None


def _release(path):
    found = KERNEL_FILE.search(path)
    return found.group(1) if found else None
