"""Fibers in gdb, of a live process or of a core file:

  info fibers                 all fibers: id, state, what each waits for and since when, name, place of spawning
  fiber ID COMMAND            COMMAND as if that fiber were the selected thread: bt, info locals, up, ...
  fiber apply all COMMAND     the same for one after the other

and printers for sennit's mutex, channel and fiber. The fibers are found by a table in the library
(runtime/api/debug_layout.hpp): this needs its symbol sennit_debug_layout, but no debug information. Nothing of the
program is run or changed.
"""

import re
import struct

import gdb
import gdb.unwinder

VERSION = 2
FIELDS = """version runtimes
    scheduler_name scheduler_slab scheduler_workers
    worker_index worker_running worker_thread worker_now
    slab_chunks blocks_in_chunk block_bytes
    block_refs block_state block_id block_rare rare_name block_where block_wait_for block_object block_since
    block_sp block_last block_stack
    state_parked state_done
    wait_kinds wait_names
    node_who node_next
    suspended""".split()


def word(address, size=8):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, size).tobytes(), "little")


def text(address, most=4096):
    found = b""
    while len(found) < most and (byte := gdb.selected_inferior().read_memory(address + len(found), 1).tobytes()) != b"\0":
        found += byte
    return found.decode("utf-8", "replace")


def vector(address):
    """A std::vector of pointers."""
    begin, end = word(address), word(address + 8)
    return [word(at) for at in range(begin, end, 8)]


class Layout:
    def __init__(self):
        try:
            at = int(gdb.parse_and_eval("(unsigned long)&sennit_debug_layout"))
        except gdb.error:
            raise gdb.GdbError("no sennit in this program, or it was stripped: there is no symbol sennit_debug_layout")
        values = struct.unpack(f"<{len(FIELDS)}Q", gdb.selected_inferior().read_memory(at, 8 * len(FIELDS)).tobytes())
        self.__dict__.update(zip(FIELDS, values))
        if self.version == 0:
            raise gdb.GdbError("no runtime: the program has not begun")
        if self.version != VERSION:
            raise gdb.GdbError(f"the program has version {self.version} of sennit's table, this script knows {VERSION}:"
                               " take the script of the same release")
        self.kinds = [text(word(self.wait_names + 8 * i)) for i in range(self.wait_kinds)]


class Fiber:
    def __init__(self, layout, block, workers):
        self.layout, self.block = layout, block
        self.id = word(block + layout.block_id)
        rare = word(block + layout.block_rare)
        self.name = (text(rare + layout.rare_name, 24) if rare else "") or "fiber"
        state = word(block + layout.block_state)
        self.done = bool(state & layout.state_done)
        self.parked = bool(state & layout.state_parked)
        self.worker = next((w for w in workers if word(w + layout.worker_running) == block), None)
        self.begun = word(block + layout.block_stack) != 0

    @property
    def state(self):
        return "waiting" if self.parked else "running" if self.worker else "runnable"

    @property
    def spawned_at(self):
        where = word(self.block + self.layout.block_where)
        return f"{text(word(where))}:{word(where + 16, 4)}" if where else "?"

    @property
    def waits(self):
        if not self.parked:
            return ""
        kind = self.layout.kinds[word(self.block + self.layout.block_wait_for, 1)]
        since = word(self.block + self.layout.block_since)
        last = word(self.block + self.layout.block_last)
        seconds = (word(last + self.layout.worker_now) - since) / 1e9
        return f"{kind} at {word(self.block + self.layout.block_object):#x} for {max(seconds, 0):.1f} s"


def runtimes(layout):
    return vector(layout.runtimes) if layout.runtimes else []


def fibers_of(layout, scheduler):
    workers = vector(scheduler + layout.scheduler_workers)
    found = []
    for chunk in vector(word(scheduler + layout.scheduler_slab) + layout.slab_chunks):
        for i in range(1, layout.blocks_in_chunk + 1):
            block = chunk + i * layout.block_bytes
            if word(block + layout.block_refs, 4) == 0:
                continue
            fiber = Fiber(layout, block, workers)
            if not fiber.done:
                found.append(fiber)
    return sorted(found, key=lambda f: f.id)


def all_fibers(layout):
    return [f for s in runtimes(layout) for f in fibers_of(layout, s)]


class Unwinder(gdb.unwinder.Unwinder):
    """While a suspended fiber is looked at, the caller of the innermost frame is the switch away from that fiber."""

    def __init__(self):
        super().__init__("sennit fibers")
        self.sp = self.pc = None

    def __call__(self, pending):
        if self.sp is None or pending.level() != 0:
            return None
        arm = pending.architecture().name().startswith("aarch64")
        kind = gdb.lookup_type("unsigned long")
        sp, pc = gdb.Value(self.sp).cast(kind), gdb.Value(self.pc).cast(kind)
        info = pending.create_unwind_info(FrameId(sp, pc))
        info.add_saved_register("sp" if arm else "rsp", sp)
        info.add_saved_register("pc" if arm else "rip", pc)
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


UNWINDER = Unwinder()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


class Selected:
    """`with Selected(fiber):` gdb's commands see that fiber. Frame 0 of one that does not run is the thread's own."""

    def __init__(self, fiber):
        self.fiber = fiber

    def __enter__(self):
        self.thread = gdb.selected_thread()
        self.frame = gdb.selected_frame()
        if self.fiber.worker is not None:
            self.switch_to_thread_of(self.fiber.worker)
        else:
            if not self.fiber.begun:
                raise gdb.GdbError("it has not begun: it has no stack yet")
            if self.fiber.layout.suspended == 0:
                raise gdb.GdbError("with Boost.Context the stacks of parked fibers cannot be read")
            UNWINDER.sp = word(self.fiber.block + self.fiber.layout.block_sp)
            UNWINDER.pc = self.fiber.layout.suspended
            gdb.invalidate_cached_frames()
            gdb.newest_frame().older().select()

    def switch_to_thread_of(self, worker):
        wanted = word(worker + self.fiber.layout.worker_thread)
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            try:
                handle = int.from_bytes(thread.handle(), "little")
            except gdb.error:
                handle = int(gdb.parse_and_eval("(unsigned long)$fs_base"))  # a core file without libthread_db
            if handle == wanted:
                return
        self.thread.switch()
        raise gdb.GdbError("its worker's thread is not to be found")

    def __exit__(self, *_):
        UNWINDER.sp = None
        gdb.invalidate_cached_frames()
        self.thread.switch()
        try:
            self.frame.select()
        except gdb.error:  # frames were forgotten: it is the thread's innermost one
            gdb.newest_frame().select()


def run_in(fiber, command):
    with Selected(fiber):
        shown = gdb.execute(command, to_string=True)
    if fiber.worker is None and re.match(r"(bt|backtrace|where)\b", command):
        shown = re.sub(r"^#0 .*\n(?:(?!#).*\n)*", "", shown, count=1)  # the frame that stands for nothing
    gdb.write(shown)


def title(fiber):
    waits = f", {fiber.waits}" if fiber.waits else ""
    return f"fiber {fiber.id} '{fiber.name}': {fiber.state}{waits}"


class InfoFibers(gdb.Command):
    """All fibers of all runtimes of the program."""

    def __init__(self):
        super().__init__("info fibers", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        layout = Layout()
        if not runtimes(layout):
            gdb.write("no runtime\n")
        for scheduler in runtimes(layout):
            name = text(word(scheduler + layout.scheduler_name))
            fibers = fibers_of(layout, scheduler)
            gdb.write(f"runtime '{name}': {len(fibers)} fibers\n")
            for fiber in fibers:
                gdb.write(f"  {title(fiber)}; spawned at {fiber.spawned_at}\n")


class FiberCommand(gdb.Command):
    """fiber ID COMMAND, fiber apply all COMMAND: COMMAND (bt if there is none) in a fiber, or in each."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK, prefix=False)

    def invoke(self, argument, from_tty):
        layout = Layout()
        if found := re.fullmatch(r"apply\s+all(?:\s+(.+))?", argument.strip()):
            for fiber in all_fibers(layout):
                gdb.write(f"\n{title(fiber)}\n")
                try:
                    run_in(fiber, found[1] or "bt")
                except gdb.GdbError as why:
                    gdb.write(f"{why}\n")
        elif found := re.fullmatch(r"(\d+)(?:\s+(.+))?", argument.strip()):
            fiber = next((f for f in all_fibers(layout) if f.id == int(found[1])), None)
            if fiber is None:
                raise gdb.GdbError(f"no fiber {found[1]}: see `info fibers`")
            run_in(fiber, found[2] or "bt")
        else:
            raise gdb.GdbError("fiber ID COMMAND, or fiber apply all COMMAND")


def waiters_in(queue):
    """Titles of those in a wait_queue, in order."""
    layout = Layout()
    blocks = {f.block: f for f in all_fibers(layout)}
    node, found = int(queue["head_"]), []
    while node != 0 and len(found) < 1000:
        who = word(node + layout.node_who)
        found.append(f"fiber {blocks[who].id} '{blocks[who].name}'" if who in blocks else "a thread")
        node = word(node + layout.node_next)
    return found


def listed(names):
    return "{" + ", ".join(names) + "}"


class MutexPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        layout = Layout()
        owner = word(int(self.value["word_"].address)) & ~1
        fiber = next((f for f in all_fibers(layout) if f.block == owner), None)
        if owner == 0:
            held = "free"
        else:
            held = f"held by fiber {fiber.id} '{fiber.name}'" if fiber else "held by a thread"
        waiters = waiters_in(self.value["waiters_"])
        return held + (f", wanted by {listed(waiters)}" if waiters else "")


class ChannelPrinter:
    def __init__(self, value):
        self.value = value["core_"]

    def to_string(self):
        core = self.value
        capacity = "unbounded" if core["unbounded_"] else f"capacity {int(core['capacity_'])}"
        out = f"{int(core['count_'])} messages, {capacity}" + (", closed" if core["closed_"] else "")
        for queue, verb in (("senders_", "send"), ("receivers_", "receive")):
            if waiters := waiters_in(core[queue]):
                out += f", {listed(waiters)} waiting to {verb}"
        return out


class FiberPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        block = int(self.value["block_"])
        fiber = next((f for f in all_fibers(Layout()) if f.block == block), None)
        return "not joinable" if block == 0 else title(fiber) if fiber else "ended"


def printers():
    import gdb.printing
    all_of_them = gdb.printing.RegexpCollectionPrettyPrinter("sennit")
    all_of_them.add_printer("mutex", r"^sennit::(v0::)?mutex$", MutexPrinter)
    all_of_them.add_printer("channel", r"^sennit::(v0::)?channel<.*>$", ChannelPrinter)
    all_of_them.add_printer("fiber", r"^sennit::(v0::)?fiber$", FiberPrinter)
    return all_of_them


import gdb.printing  # noqa: E402

gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), replace=True)
InfoFibers()
FiberCommand()
