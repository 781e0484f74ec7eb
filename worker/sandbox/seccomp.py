"""The system calls that workflow code may not make, as a filter that the kernel applies (reliability.md section 3.1, tier B).

A list of what is refused, not of what is allowed: an allow-list breaks libraries at every new C library, and what matters is to reach
nothing outside the process. Refused calls fail with EPERM, so that code sees a ``PermissionError`` and not a sudden death.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

from worker.sandbox import linux

#: Numbers of each call on x86-64 and arm64; None where the machine has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # Connections. A socket pair inside the process is fine: event loops need one.
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    # Other programs and processes; threads are let through below.
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # The view of the file system.
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    # Parts of the kernel with a history of escapes.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    # Memory that outlives the process, or that its memory limit does not count.
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # The machine itself.
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "personality": (135, 92),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
    "iopl": (172, None),
    "ioperm": (173, None),
}

#: By which the owner of a file changes it without opening it, and which Landlock does not judge (cutting it off, before Linux 6.2).
#: Those that take a descriptor stay, since what may be opened is judged.
OF_OWNERS: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "truncate": (76, 45),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
}

CLONE = (56, 220)
CLONE3 = (435, 435)
PRCTL = (157, 167)
PRLIMIT = (302, 261)
KILL = (62, 129)
TGKILL = (234, 131)

#: What comes later than this (Linux 5.17) is unknown to this list. Code is told that it does not exist; libraries then use older calls.
LAST_KNOWN = 450

#: AUDIT_ARCH of the machine and its column above.
MACHINES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}

CLONE_THREAD = 0x1_0000
AF_INET, AF_INET6 = 2, 10
SECCOMP_MODE_FILTER = 2

# Where things lie in the kernel's struct seccomp_data (little-endian).
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16

# Instructions of the kernel's packet filter.
LOAD, IF_EQUAL, IF_GREATER, IF_SET, ANSWER = 0x20, 0x15, 0x25, 0x45, 0x06

ALLOW = 0x7FFF_0000
KILL_PROCESS = 0x8000_0000
REFUSE = 0x0005_0000 | errno.EPERM
UNKNOWN = 0x0005_0000 | errno.ENOSYS


def is_supported() -> bool:
    """Whether there are call numbers for this machine; what the kernel can do shows at ``install``."""
    return linux.IS_LINUX and sys.maxsize > 2**32 and platform.machine() in MACHINES


def prepare(*, allow_network: bool = False, owns_files: bool = False) -> bytes:
    """What the filters of all processes on this machine begin with; empty where there is none. Made once, since it takes longest.

    ``owns_files``: the processes have the user of the worker.
    """
    return common_steps(platform.machine(), allow_network=allow_network, owns_files=owns_files) if is_supported() else b""


def install(prepared: bytes, process_id: int) -> None:
    """Filter this thread's system calls for good, and those of all threads it starts. Needs PR_SET_NO_NEW_PRIVS. Raises ``OSError``."""
    code = prepared + own_steps(platform.machine(), process_id)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    linux.prctl(linux.PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(header, len(header)))


def program(machine: str, process_id: int, *, allow_network: bool = False, owns_files: bool = False) -> bytes:
    """The filter for a process of this id, which may signal and limit itself but no other."""
    return common_steps(machine, allow_network=allow_network, owns_files=owns_files) + own_steps(machine, process_id)


def common_steps(machine: str, *, allow_network: bool, owns_files: bool) -> bytes:
    """The steps for every process."""
    architecture, column = MACHINES[machine]
    denied = (*DENIED.values(), *(OF_OWNERS.values() if owns_files else ()))
    steps = [
        _step(LOAD, ARCHITECTURE),
        *_unless(architecture, KILL_PROCESS),
        _step(LOAD, NUMBER),
        _step(IF_GREATER, LAST_KNOWN, 0, 1),
        _step(ANSWER, UNKNOWN),
        *(_connections(column) if allow_network else ()),
        *(step for numbers in denied if numbers[column] is not None for step in _on(numbers[column], REFUSE)),
        *_on(CLONE3[column], UNKNOWN),
        *_check(CLONE[column], (IF_SET, CLONE_THREAD), if_so=ALLOW, otherwise=REFUSE),
        *_check(PRCTL[column], (IF_EQUAL, linux.PR_SET_PDEATHSIG), if_so=REFUSE, otherwise=ALLOW),
        *_check(PRLIMIT[column], (IF_EQUAL, 0), if_so=ALLOW, otherwise=REFUSE),
    ]
    return b"".join(steps)


def own_steps(machine: str, process_id: int) -> bytes:
    """What follows them for one process."""
    _, column = MACHINES[machine]
    steps = [
        *_check(KILL[column], (IF_EQUAL, process_id), if_so=ALLOW, otherwise=REFUSE),
        *_check(TGKILL[column], (IF_EQUAL, process_id), if_so=ALLOW, otherwise=REFUSE),
        _step(ANSWER, ALLOW),
    ]
    return b"".join(steps)


def _connections(column: int) -> list[bytes]:
    """Out, and to Internet addresses only: Unix sockets lead to other programs' privileges."""
    return [
        *_on(DENIED["connect"][column], ALLOW),
        _step(IF_EQUAL, DENIED["socket"][column] or 0, 0, 5),
        _step(LOAD, FIRST_ARGUMENT),
        _step(IF_EQUAL, AF_INET, 2, 0),
        _step(IF_EQUAL, AF_INET6, 1, 0),
        _step(ANSWER, REFUSE),
        _step(ANSWER, ALLOW),
    ]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter: the jumps count the instructions to leave out."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _on(value: int | None, answer: int) -> list[bytes]:
    assert value is not None
    return [_step(IF_EQUAL, value, 0, 1), _step(ANSWER, answer)]


def _unless(value: int, answer: int) -> list[bytes]:
    return [_step(IF_EQUAL, value, 1, 0), _step(ANSWER, answer)]


def _check(number: int, test: tuple[int, int], *, if_so: int, otherwise: int) -> list[bytes]:
    """For one call, decide by its first argument."""
    return [
        _step(IF_EQUAL, number, 0, 4),
        _step(LOAD, FIRST_ARGUMENT),
        _step(test[0], test[1], 0, 1),
        _step(ANSWER, if_so),
        _step(ANSWER, otherwise),
    ]
