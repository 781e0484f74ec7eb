"""The filter, run by a small interpreter of the kernel's instructions, for both machines that it knows."""

import errno
import struct

import pytest

from worker.sandbox.seccomp import (
    AF_INET,
    AF_INET6,
    ALLOW,
    ANSWER,
    CLONE,
    CLONE3,
    DENIED,
    IF_EQUAL,
    IF_GREATER,
    IF_SET,
    KILL,
    KILL_PROCESS,
    LAST_KNOWN,
    LOAD,
    MACHINES,
    OF_OWNERS,
    PRCTL,
    PRLIMIT,
    REFUSE,
    TGKILL,
    UNKNOWN,
    program,
)

OWN = 4711

#: Calls that every interpreter needs: read, write, openat, mmap, munmap, exit_group, futex, socketpair, getpid.
NEEDED = {"x86_64": (0, 1, 257, 9, 11, 231, 202, 53, 39), "aarch64": (63, 64, 56, 222, 215, 94, 98, 199, 172)}

JUMPS = {
    IF_EQUAL: lambda value, operand: value == operand,
    IF_GREATER: lambda value, operand: value > operand,
    IF_SET: lambda value, operand: bool(value & operand),
}


def verdict(
    machine: str, number: int, first: int = 0, *, architecture: int | None = None, allow_network: bool = False, owns_files: bool = False
) -> int:
    """What the filter answers to a system call."""
    data = struct.pack("<IIQQ", number, MACHINES[machine][0] if architecture is None else architecture, 0, first)
    steps = list(struct.iter_unpack("=HBBI", program(machine, OWN, allow_network=allow_network, owns_files=owns_files)))
    place, value = 0, 0
    while True:
        code, if_true, if_false, operand = steps[place]
        place += 1
        if code == ANSWER:
            return operand
        if code == LOAD:
            value = struct.unpack_from("<I", data, operand)[0]
        else:
            place += if_true if JUMPS[code](value, operand) else if_false


@pytest.fixture(params=sorted(MACHINES))
def machine(request) -> str:
    return request.param


@pytest.fixture
def column(machine: str) -> int:
    return MACHINES[machine][1]


def test_listed_calls_are_refused_with_permission_denied(machine, column):
    numbers = [numbers[column] for numbers in DENIED.values() if numbers[column] is not None]

    assert {verdict(machine, number) for number in numbers} == {REFUSE}
    assert REFUSE & 0xFFFF == errno.EPERM
    assert len(set(numbers)) == len(numbers)


def test_what_an_interpreter_needs_is_allowed(machine):
    assert {verdict(machine, number) for number in NEEDED[machine]} == {ALLOW}


def test_threads_may_be_started_but_no_processes(machine, column):
    thread, process = 0x3D0F00, 0x1200011

    assert verdict(machine, CLONE[column], thread) == ALLOW
    assert verdict(machine, CLONE[column], process) == REFUSE
    # The C library then starts its thread with the older call, whose flags can be examined.
    assert verdict(machine, CLONE3[column]) == UNKNOWN


def test_only_the_process_itself_may_be_signalled(machine, column):
    for numbers in (KILL, TGKILL):
        assert verdict(machine, numbers[column], OWN) == ALLOW
        assert {verdict(machine, numbers[column], other) for other in (1, 0, OWN - 1, 2**64 - 1)} == {REFUSE}


def test_only_the_process_itself_may_be_limited(machine, column):
    assert verdict(machine, PRLIMIT[column], 0) == ALLOW
    assert verdict(machine, PRLIMIT[column], 1) == REFUSE


def test_the_process_stays_tied_to_its_zygote(machine, column):
    assert verdict(machine, PRCTL[column], 1) == REFUSE
    assert verdict(machine, PRCTL[column], 15) == ALLOW


def test_calls_that_the_list_does_not_know_do_not_exist(machine):
    assert verdict(machine, LAST_KNOWN + 1) == UNKNOWN
    assert verdict(machine, 0x4000_0000 + 41) == UNKNOWN
    assert UNKNOWN & 0xFFFF == errno.ENOSYS


def test_calls_of_another_machine_are_deadly(machine):
    assert verdict(machine, 0, architecture=0x4000_0003) == KILL_PROCESS


def test_owners_of_files_cannot_change_them_by_their_names(machine, column):
    numbers = {numbers[column] for numbers in OF_OWNERS.values() if numbers[column] is not None}

    assert {verdict(machine, number, owns_files=True) for number in numbers} == {REFUSE}
    assert {verdict(machine, number) for number in numbers} == {ALLOW}
    assert {verdict(machine, number, owns_files=True) for number in NEEDED[machine]} == {ALLOW}


def test_network_where_it_is_allowed_means_connections_to_internet_addresses(machine, column):
    connect, create = DENIED["connect"][column], DENIED["socket"][column]

    assert verdict(machine, connect, 3, allow_network=True) == ALLOW
    assert {verdict(machine, create, family, allow_network=True) for family in (AF_INET, AF_INET6)} == {ALLOW}
    assert {verdict(machine, create, family, allow_network=True) for family in (0, 1, 16, 17, 40, 2**32 + 1)} == {REFUSE}
    others = {number[column] for name, number in DENIED.items() if name not in ("connect", "socket") and number[column] is not None}
    assert {verdict(machine, number, allow_network=True) for number in others} == {REFUSE}
