"""Imports point one way, cores do no input or output, and no module imports in a circle.

The table of docs/topics/design is checked here against the source and against the metadata of the
six distributions, so that neither can drift from it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from fnmatch import fnmatchcase

import pytest

from tests.architecture.source_tree import PACKAGES, Import, Module, imports, modules

#: Which of our packages each package may import.
ALLOWED: dict[str, set[str]] = {
    "ssh_keys": set(),
    "ssh_transport": {"ssh_keys"},
    "ssh_connection": {"ssh_keys", "ssh_transport"},
    "ssh_sftp": set(),
    "ssh_agent": {"ssh_keys"},
    "ssh_meta": {"ssh_keys", "ssh_transport", "ssh_connection", "ssh_sftp", "ssh_agent"},
}

#: Third-party packages that each package requires: distribution name, import name.
REQUIRED: dict[str, dict[str, str]] = {
    "ssh_keys": {"bcrypt": "bcrypt", "cryptography": "cryptography", "pynacl": "nacl"},
    "ssh_transport": {"cryptography": "cryptography"},
    "ssh_connection": {},
    "ssh_sftp": {},
    "ssh_agent": {},
    "ssh_meta": {},
}

#: Third-party packages behind an extra, or used only where another package of ours has loaded them:
#: imported inside the function that needs them.
OPTIONAL: dict[str, set[str]] = {
    "ssh_keys": {"fido2", "pkcs11"},
    "ssh_transport": {"gssapi", "nacl"},
}

#: Modules that own an event loop, a socket or a clock. Every other module is sans-IO.
IO_MODULES = (
    "ssh_agent.client",
    "ssh_agent.signing",
    "ssh_agent.unix",
    "ssh_agent.win32",
    "ssh_connection.acceptor",
    "ssh_connection.api",
    "ssh_connection.client",
    "ssh_connection.config.accounts",
    "ssh_connection.config.canonical",
    "ssh_connection.config.client_options",
    "ssh_connection.config.conversion",
    "ssh_connection.config.files",
    "ssh_connection.config.identities",
    "ssh_connection.config.interfaces",
    "ssh_connection.config.ports",
    "ssh_connection.config.server_options",
    "ssh_connection.connection.*",
    "ssh_connection.editor.channel",
    "ssh_connection.forward.*",
    "ssh_connection.listening",
    "ssh_connection.merging",
    "ssh_connection.probing",
    "ssh_connection.process.*",
    "ssh_connection.server",
    "ssh_connection.session",
    "ssh_connection.socks.listener",
    "ssh_connection.stream",
    "ssh_connection.stream_buffer",
    "ssh_connection.tunnel",
    "ssh_connection.tuntap.device",
    "ssh_connection.tuntap.relay",
    "ssh_connection.x11.authfile",
    "ssh_connection.x11.client",
    "ssh_connection.x11.server",
    "ssh_keys.cli.*",
    "ssh_keys.files",
    "ssh_keys.pkcs11_tokens",
    "ssh_keys.sk",
    "ssh_keys.u2f",
    "ssh_meta.*",
    "ssh_sftp.aio",
    "ssh_sftp.reply_future",
    "ssh_sftp.client.base",
    "ssh_sftp.client.client*",
    "ssh_sftp.client.file",
    "ssh_sftp.client.filecopy",
    "ssh_sftp.client.resume",
    "ssh_sftp.client.tree",
    "ssh_sftp.local",
    "ssh_sftp.longname",
    "ssh_sftp.pipes",
    "ssh_sftp.scp.files",
    "ssh_sftp.server.apply",
    "ssh_sftp.server.copying",
    "ssh_sftp.server.filesystem",
    "ssh_sftp.server.listing",
    "ssh_sftp.server.records",
    "ssh_sftp.server.rooted",
    "ssh_sftp.server.session",
    "ssh_sftp.stdio",
    "ssh_sftp.subprocess",
    "ssh_transport.aio",
    "ssh_transport.bulk_reads",
    "ssh_transport.command",
    "ssh_transport.login_reads",
    "ssh_transport.process_groups",
)

#: What a sans-IO module may not import.
IO_IMPORTS = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "os",
    "random",
    "selectors",
    "select",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
}

#: Names of ``os`` that do no input or output. ``urandom`` serves as a default argument, so that a
#: test can put something else in its place.
PURE_OS_NAMES = {"PathLike", "fsdecode", "fsencode", "fspath", "urandom"}
#: Beginnings of the names of its constants.
PURE_OS_CONSTANTS = ("O_", "SEEK_")

#: The one ``try: import … except ImportError`` of one of our packages: SFTPError is an Error for
#: users of the whole, and yet ssh-sftp has no dependency.
GUARDED = ("ssh_sftp.errors", "ssh_keys.errors")

MODULES = modules()
OURS = set(PACKAGES)
NAMES = {module.name for module in MODULES}


def is_io(module: Module) -> bool:
    """Whether a module is listed as one that does input and output."""
    return any(fnmatchcase(module.name, pattern) for pattern in IO_MODULES)


def is_pure(module: Module, found: Import) -> bool:
    """Whether an import brings in nothing but pure names of ``os``."""
    if found.module != "os":
        return False
    used = {found.name} if found.name else names_used_of("os", module)
    return all(name in PURE_OS_NAMES or name.startswith(PURE_OS_CONSTANTS) for name in used)


def names_used_of(imported: str, module: Module) -> set[str]:
    """The attributes of an imported module that a module uses."""
    return {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == imported
    }


def where(module: Module, found: Import) -> str:
    """The place of an import, for a message."""
    return f"{module.name}:{found.line} imports {found.module}"


def test_tree_was_found() -> None:
    assert {module.package for module in MODULES} == OURS


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_own_packages_point_one_way(package: str) -> None:
    wrong = [
        where(module, found)
        for module in MODULES
        if module.package == package
        for found in imports(module)
        if found.root in OURS - ALLOWED[package] - {package}
        and (module.name, found.module) != GUARDED
    ]
    assert not wrong


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_third_party_packages_are_declared(package: str) -> None:
    optional = OPTIONAL.get(package, set())
    known = OURS | set(sys.stdlib_module_names) | set(REQUIRED[package].values()) | optional
    wrong = [
        where(module, found)
        for module in MODULES
        if module.package == package
        for found in imports(module)
        if found.root not in known
        or (found.root in optional and not (found.in_function or found.typing_only))
    ]
    assert not wrong


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_metadata_names_the_same_dependencies(package: str) -> None:
    text = (PACKAGES[package] / "pyproject.toml").read_text(encoding="utf-8")
    declared = {
        re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0]
        for requirement in tomllib.loads(text)["project"]["dependencies"]
    }
    ours = {name.replace("_", "-") for name in ALLOWED[package]}
    assert declared == ours | set(REQUIRED[package])


def test_modules_listed_as_io_exist() -> None:
    stale = [
        pattern
        for pattern in IO_MODULES
        if not any(fnmatchcase(module.name, pattern) for module in MODULES)
    ]
    assert not stale


@pytest.mark.parametrize(
    "module", [module for module in MODULES if not is_io(module)], ids=lambda module: module.name
)
def test_sans_io_modules_import_no_io(module: Module) -> None:
    wrong = [
        where(module, found)
        for found in imports(module)
        if found.root in IO_IMPORTS and not found.typing_only and not is_pure(module, found)
    ]
    assert not wrong, "pass the clock, the randomness or the stream as an argument"


def test_own_packages_are_imported_at_the_top() -> None:
    wrong = [
        where(module, found)
        for module in MODULES
        for found in imports(module)
        if found.root in OURS and found.in_function
    ]
    assert not wrong


def test_one_guarded_import_of_our_own() -> None:
    guarded = {
        (module.name, found.module)
        for module in MODULES
        for found in imports(module)
        if found.root in OURS and found.guarded
    }
    assert guarded <= {GUARDED}


def test_nothing_of_ours_is_imported_by_string() -> None:
    wrong = [
        f"{module.name}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith(("import_module", "__import__"))
        and any(package in ast.unparse(node) for package in OURS)
    ]
    assert not wrong


def graph() -> dict[str, set[str]]:
    """Which module imports which at run time."""
    edges: dict[str, set[str]] = {name: set() for name in NAMES}
    for module in MODULES:
        for found in imports(module):
            if found.typing_only or found.root not in OURS:
                continue
            submodule = f"{found.module}.{found.name}"
            target = submodule if submodule in NAMES else found.module
            if target in NAMES:
                edges[module.name].add(target)
    return edges


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A circle in the graph, or an empty list."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for target in sorted(edges[name]):
            if found := visit(target, [*trail, name]):
                return found
        done.add(name)
        return []

    for start in sorted(edges):
        if found := visit(start, []):
            return found
    return []


def test_no_module_imports_itself_in_a_circle() -> None:
    assert not circle(graph())


def test_circles_are_recognised() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
