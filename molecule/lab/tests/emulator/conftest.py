# SPDX-License-Identifier: GPL-3.0-or-later
"""A running emulator, a client after bring-up, and the control socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from vfio_client import Client, ControlClient, Running, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start emulators with extra arguments; each must exit with status 0 on SIGTERM."""
    running: list[Running] = []

    def begin(*arguments: str) -> Running:
        folder = tmp_path / f"e{len(running)}"
        folder.mkdir()
        running.append(Running(folder, arguments).start())
        return running[-1]

    yield begin
    for one in running:
        assert one.stop() == 0
        assert not list(one.folder.iterdir())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One emulator for many cases, none of which may change it."""
    running = Running(tmp_path_factory.mktemp("shared")).start()
    yield running
    assert running.stop() == 0
    assert not list(running.folder.iterdir())


@pytest.fixture
def shared_guest(shared: Running) -> Iterator[Client]:
    with shared.connect() as connected:
        connected.bring_up()
        yield connected


@pytest.fixture
def shared_control(shared: Running) -> Iterator[ControlClient]:
    connected = shared.control()
    yield connected
    connected.close()


@pytest.fixture
def emulator(start: Start) -> Running:
    return start()


@pytest.fixture
def client(emulator: Running) -> Iterator[Client]:
    with emulator.connect() as connected:
        yield connected


@pytest.fixture
def guest(client: Client) -> Client:
    """A client that went through the whole bring-up."""
    client.bring_up()
    return client


@pytest.fixture
def control(emulator: Running) -> Iterator[ControlClient]:
    connected = emulator.control()
    yield connected
    connected.close()
