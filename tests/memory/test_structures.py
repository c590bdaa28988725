# SPDX-License-Identifier: MIT
"""Trees, arrays and sections laid out by hand: byte orders and layouts that no recorded dump has, and damage."""

from __future__ import annotations

import struct

import pytest

from drmemctl.errors import DrmemctlError, InputError, LimitError
from drmemctl.memory import device_tree, kernel_memory, lmb_array
from drmemctl.memory import sections as section_module
from drmemctl.memory.boot_blob import boot_blob
from drmemctl.memory.device_tree import KernelNode, TreeBounds, kernel_tree
from drmemctl.memory.lmb_array import find_lmb_array
from drmemctl.memory.physical import LINEAR, AbsentMemoryError
from drmemctl.memory.sections import MemorySection, sections
from drmemctl.memory.symbols import relocated
from tests.cases import each
from tests.memory.images import NODE_DATA, Image

BOUNDS = TreeBounds(1 << 20, 100, 64)
ROOT, CHILD = 0x20000, 0x21000
VARIABLE = NODE_DATA + 0x100
LMB = 1 << 28


def properties(image: Image, at: int, *values: tuple[bytes, bytes]) -> int:
    """Write a list of struct property; return the pointer to its first."""
    for number, (name, value) in enumerate(values):
        here, text, data = at + 0x40 * number, at + 0x800 + 0x40 * number, at + 0xC00 + 0x40 * number
        following = LINEAR + here + 0x40 if number + 1 < len(values) else 0
        image.put(here, "Qi4xQQ", image.text(text, name), len(value), LINEAR + data, following)
        image.data[data : data + len(value)] = value
    return LINEAR + at


def rooted(byte_order: str = "<", full_name: int = 16, members: int = 88) -> Image:
    """Return a kernel with a tree of two nodes, of that offset of `full_name` and of `properties`."""
    image = Image(byte_order)
    image.put(VARIABLE, "Q", LINEAR + ROOT)
    values = properties(image, 0x22000, (b"compatible", b"x\0"), (b"#size-cells", b"\0\0\0\2"))
    image.put(ROOT + full_name, "Q", image.text(0x24000, b"/"))
    image.put(ROOT + members, "5Q", values, 0, 0, LINEAR + CHILD, 0)
    image.put(CHILD + full_name, "Q", image.text(0x24100, b"/memory@0"))
    image.put(CHILD + members, "5Q", 0, properties(image, 0x25000, (b"reg", b"old")), LINEAR + ROOT, 0, 0)
    return image


@each(
    ("byte_order", "full_name", "members"),
    [("<", 16, 88), (">", 16, 88), ("<", 24, 48), (">", 16, 40)],
    ids=["6.1", "big-endian", "4.19", "5.4, big-endian"],
)
def test_a_tree_of_each_layout(byte_order: str, full_name: int, members: int) -> None:
    root = kernel_tree(rooted(byte_order, full_name, members).kernel(), BOUNDS)
    child = KernelNode("memory@0", (), ((("reg", b"old")),), ())  # type: ignore[arg-type]
    assert root == ("", (("compatible", b"x\0"), ("#size-cells", b"\0\0\0\2")), (), (child,))


def test_two_trees_are_not_chosen_between() -> None:
    image = rooted()
    image.data[0x30000:0x31000] = image.data[ROOT : ROOT + 0x1000]
    image.data[0x31000:0x32000] = image.data[CHILD : CHILD + 0x1000]
    image.put(0x30000 + 88 + 24, "Q", LINEAR + 0x31000)
    image.put(0x31000 + 88 + 16, "Q", LINEAR + 0x30000)
    image.put(VARIABLE + 8, "Q", LINEAR + 0x30000)
    with pytest.raises(InputError, match="more than one device tree in this dump, at 0xc000000000020000, 0xc0"):
        kernel_tree(image.kernel(), BOUNDS)


@each(
    ("damage", "message"),
    [
        ("no root", r"\(of_root\) is not found"),
        ("child in a circle", "goes in a circle"),
        ("child is absent", "the node of the kernel's device tree cannot be read: address 0x"),
        ("value is absent", "/: a property of the kernel's device tree cannot be read: physical address"),
        ("value is huge", "the values of the tree have more than 1 MiB"),
        ("many", "more than 3 nodes and properties"),
        ("deep", "more than 1 levels of nodes"),
    ],
)
def test_a_damaged_tree_is_an_error(damage: str, message: str) -> None:
    image, bounds = rooted(), BOUNDS
    if damage == "no root":
        image.text(0x24000, b"x")
    elif damage == "child in a circle":
        image.put(CHILD + 88 + 32, "Q", LINEAR + CHILD)
    elif damage == "child is absent":
        image.put(CHILD + 88 + 32, "Q", 7)
    elif damage == "value is absent":
        image.put(0x22000 + 16, "Q", LINEAR + (1 << 30))
    elif damage == "value is huge":
        image.put(0x22000 + 8, "i", 1 << 30)
    else:
        bounds = TreeBounds(1 << 20, 3, 64) if damage == "many" else TreeBounds(1 << 20, 100, 1)
    with pytest.raises(DrmemctlError, match=message):
        kernel_tree(image.kernel(), bounds)


def test_what_is_tried_while_the_root_is_sought_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_tree, "_MOST_PROBED", 1)
    with pytest.raises(LimitError, match="too much looks like the root"):
        kernel_tree(rooted().kernel(), BOUNDS)
    monkeypatch.setattr(kernel_memory, "_MOST_CANDIDATES", 2)
    with pytest.raises(LimitError, match="more than 2 pointers"):
        list(rooted().kernel().pointers(rooted().kernel().image()))


def with_array(byte_order: str, count: int, *, narrow: bool = False, at: int = VARIABLE) -> Image:
    """Return a kernel with an array: `lmb_size` is narrow before 5.10."""
    image = Image(byte_order)
    add_array(image, at, 0x30000, count, narrow=narrow)
    return image


def add_array(image: Image, at: int, lmbs: int, count: int, *, narrow: bool = False) -> None:
    if narrow:
        image.put(at, "QII", LINEAR + lmbs, count, LMB)
    else:
        image.put(at, "QI4xQ", LINEAR + lmbs, count, LMB)
    for number in range(count):
        image.put(lmbs + 24 * number, "QIII", number * LMB, 0x80000000 + number, 1, 8)


@each(("byte_order", "narrow"), [("<", False), (">", False), ("<", True), (">", True)])
def test_an_array_of_each_layout(byte_order: str, narrow: bool) -> None:
    array = find_lmb_array(with_array(byte_order, 5, narrow=narrow).kernel(), LMB)
    assert array is not None
    assert (array.address, array.lmb_size, array.count) == (LINEAR + VARIABLE, LMB, 5)
    assert list(array) == [(number * LMB, 0x80000000 + number, 1, 8) for number in range(5)]


@each("damage", ["base", "same", "flags", "none"])
def test_what_is_no_array_is_not_taken_for_it(damage: str) -> None:
    image = with_array("<", 3)
    if damage == "base":
        image.put(0x30000, "Q", LMB // 2)
    elif damage == "same":
        image.put(0x30000 + 24, "Q", 0)
    elif damage == "flags":
        image.put(0x30000 + 16, "I", 1 << 20)
    else:
        image.put(VARIABLE + 8, "I", 0)
    assert find_lmb_array(image.kernel(), LMB) is None


def test_an_array_whose_lmbs_are_not_in_the_dump_is_named() -> None:
    image = with_array("<", 3)
    image.holes.add(0x30)
    with pytest.raises(
        AbsentMemoryError, match=r"array \(drmem_info, 3 LMBs at 0xc000000000030000\) cannot be read: ph"
    ):
        find_lmb_array(image.kernel(), LMB)
    add_array(image, VARIABLE + 0x100, 0x40000, 4)
    array = find_lmb_array(image.kernel(), LMB)
    assert array is not None
    assert array.count == 4


def test_two_arrays_are_not_chosen_between(monkeypatch: pytest.MonkeyPatch) -> None:
    image = with_array("<", 3)
    add_array(image, VARIABLE + 0x100, 0x40000, 4)
    with pytest.raises(InputError, match="more than one LMB array"):
        find_lmb_array(image.kernel(), LMB)
    monkeypatch.setattr(lmb_array, "_MOST_LOOKED_AT", 6)
    with pytest.raises(LimitError, match="more than 6 LMBs"):
        find_lmb_array(image.kernel(), LMB)


def test_what_looks_like_an_array_for_long_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two places for the same LMBs, the last of which is none: neither is taken, and both cost what was looked at.
    image = with_array("<", 50)
    image.put(0x30000 + 24 * 49, "Q", 7)
    image.put(VARIABLE + 0x100, "QI4xQ", LINEAR + 0x30000, 50, LMB)
    assert find_lmb_array(image.kernel(), LMB) is None
    monkeypatch.setattr(lmb_array, "_MOST_LOOKED_AT", 90)
    with pytest.raises(LimitError, match="more than 90 LMBs"):
        find_lmb_array(image.kernel(), LMB)


def with_sections(byte_order: str = "<", page_size: int = 65536) -> Image:
    """Return a kernel with two sections of 16 MiB on nodes 0 and 1, and one offline, mapped by radix tables."""
    image = Image(
        byte_order,
        PAGESIZE=page_size,
        NUMBER_SECTION_SIZE_BITS=24,
        SIZE_mem_section=16,
        OFFSET_mem_section__section_mem_map=0,
        SIZE_page=64,
        OFFSET_page__flags=0,
        LENGTH_mem_section=600,
        LENGTH_node_data=256,
        SYMBOL_mem_section=0x40000,
        SYMBOL_swapper_pg_dir=0x50000,
    )
    image.put(0x40000, "Q", LINEAR + 0x60000)
    # Pages of 4 KiB have their map in one page of 2 MiB here, which begins at 0.
    large = page_size == 4096
    pages = 0xC00C_0000_0008_0000 if large else 0xC00C_0000_0000_0000
    for number, bits in enumerate((1 | 4, 1 | 4, 1)):
        image.put(0x60000 + 16 * number, "Q", pages | bits)
        frame = pages + (number << 24) // page_size * 64
        if number < 2:
            image.put(frame & 0xFFFFF if large else 0x80000 + (frame & 0xFFFF), "Q", number << 56)
    tables = [
        (39, 13, 0x51000),
        (30, 9, 0x52000),
        *([(21, 9, 0)] if large else [(21, 9, 0x53000), (16, 5, 0x80000)]),
    ]
    table = 0x50000
    for shift, bits, following in tables:
        # Entries are big-endian: present, and the last of them that of a page.
        kind = 3 << 62 if following in (0, 0x80000) else 1 << 63
        where = table + 8 * (pages >> shift & (1 << bits) - 1)
        image.data[where : where + 8] = (kind | following).to_bytes(8, "big")
        table = following
    return image


@each(("byte_order", "page_size"), [("<", 65536), (">", 65536), ("<", 4096)])
def test_sections_by_the_tables_of_radix(byte_order: str, page_size: int) -> None:
    found = list(sections(with_sections(byte_order, page_size).kernel()))
    nodes = [(0, True, 0), (1 << 24, True, 1), (2 << 24, False, None)]
    assert found == [MemorySection(base, 1 << 24, online, node) for base, online, node in nodes]


@each("hole", [0x40, 0x60, 0x80])
def test_a_section_that_is_not_there_is_no_section_less(hole: int) -> None:
    image = with_sections()
    image.holes.add(hole)
    if hole == 0x40:  # the table of roots is mostly zeros, and such pages are left out of a dump
        assert list(sections(image.kernel())) == []
    else:
        structure = "struct mem_section 0x0 and" if hole == 0x60 else "struct page of the memory section at 0x0"
        with pytest.raises(AbsentMemoryError, match=f"{structure}.* cannot be read: physical address 0x"):
            list(sections(image.kernel()))


def test_sections_that_vmcoreinfo_does_not_describe() -> None:
    assert list(sections(Image().kernel())) == []
    image = with_sections()
    image.data[0x50000:0x60000] = bytes(0x10000)
    with pytest.raises(AbsentMemoryError, match="is not mapped"):
        list(sections(image.kernel()))


def test_the_blob_of_boot() -> None:
    image = Image()
    image.put(VARIABLE, "QQ", LINEAR + 0x30000, LINEAR + 0x32000)
    for at, content in ((0x30000, b"arm"), (0x32000, b"chrp")):
        image.data[at : at + 8] = b"\xd0\x0d\xfe\xed" + (200).to_bytes(4, "big")
        image.data[at + 100 : at + 100 + len(content)] = content
    blob = boot_blob(image.kernel())
    assert blob is not None
    assert b"chrp" in blob
    image.put(VARIABLE + 8, "Q", 0)
    assert boot_blob(image.kernel()) is None


def test_what_looks_like_the_blob_of_boot_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image()
    for number in range(5):
        image.put(VARIABLE + 8 * number, "Q", LINEAR + 0x30000 + 0x100 * number)
        at = 0x30000 + 0x100 * number
        image.data[at : at + 8] = b"\xd0\x0d\xfe\xed" + (30 << 20).to_bytes(4, "big")
    with pytest.raises(LimitError, match="too much looks like the tree of boot"):
        boot_blob(image.kernel())


def test_reads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_memory, "_MOST_READS", 5)
    for reads in (
        lambda memory: [memory.u64(LINEAR) for _ in range(5)],
        lambda memory: [memory.peek(LINEAR, 8) for _ in range(5)],
        lambda memory: memory.read(LINEAR, 5000),
    ):
        with pytest.raises(LimitError, match="more than 5 structures"):
            reads(Image().kernel())


def test_vmcoreinfo_without_a_note_is_found_in_memory() -> None:
    image = Image()
    image.has_note = False
    with pytest.raises(InputError, match="no VMCOREINFO"):
        image.kernel()
    # Nothing points to it: it is found where it is, also one of more than 4 KiB.
    for text in (
        image.text_of_vmcoreinfo,
        image.text_of_vmcoreinfo.replace(b"\n", b"\n" + b"#" * 5000 + b"\n", 1),
    ):
        image.data[0x70000 : 0x70000 + len(text)] = text
        assert image.kernel().vmcoreinfo.release == "6.1.0"


def test_a_crash_kernel_is_found_in_the_memory_reserved_for_it() -> None:
    image = Image()
    crashed = image.text_of_vmcoreinfo
    image.data[0x70000 : 0x70000 + len(crashed)] = crashed
    image._lines["OSRELEASE"] = "6.2.0"
    newer = image.text_of_vmcoreinfo
    image.data[0x90000 : 0x90000 + len(newer)] = newer
    assert image.kernel().crash_kernel(0x80000, 0x20000) is None  # its notes say which kernel this dump is about
    image.has_note = False
    memory = image.kernel()
    assert memory.vmcoreinfo.release == "6.1.0"
    kernel = memory.crash_kernel(0x80000, 0x20000)
    assert kernel is not None
    assert kernel.vmcoreinfo.release == "6.2.0"
    for base, size in ((0x80000, 0x8000), (0x70000, 0x8000), (1 << 60, 1 << 13)):
        assert memory.crash_kernel(base, size) is None


def test_a_kernel_without_numa_says_so() -> None:
    image = Image()
    image._lines.pop("SYMBOL(node_data)")
    with pytest.raises(InputError, match="does not name node_data"):
        image.kernel()


def test_sections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section_module, "_MOST_SECTIONS", 4095)
    with pytest.raises(LimitError, match="more than 4,095 memory sections"):
        list(sections(with_sections().kernel()))


def test_of_many_sections_the_first_of_each_block_tells_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section_module, "_MOST_ASKED", 2)
    memory = with_sections().kernel()
    assert [section.node for section in sections(memory, 1 << 25)] == [0, 0, None]
    assert [section.node for section in sections(memory, 1 << 24)] == [0, 1, None]
    assert [section.node for section in sections(memory)] == [0, 1, None]


def test_where_pages_are_slow_fewer_sections_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section_module, "_MOST_ASKED_SLOWLY", 2)
    image = with_sections()
    image.is_slow = True
    assert [section.node for section in sections(image.kernel(), 1 << 25)] == [0, 0, None]
    image.is_slow = False
    assert [section.node for section in sections(image.kernel(), 1 << 25)] == [0, 1, None]


def test_sections_by_vmemmap_list() -> None:
    image = with_sections()
    image.data[0x50000:0x60000] = bytes(0x10000)
    described = {
        "SYMBOL(vmemmap_list)": LINEAR + 0x8200,
        "SYMBOL(mmu_vmemmap_psize)": LINEAR + 0x8208,
        "SYMBOL(mmu_psize_defs)": LINEAR + 0x8300,
    }
    image._lines |= {name: f"{address:x}" for name, address in described.items()}
    members = {"list": 0, "phys": 8, "virt_addr": 16}
    image._lines |= {f"OFFSET(vmemmap_backing.{name})": str(offset) for name, offset in members.items()}
    image._lines |= {"SIZE(mmu_psize_def)": "24", "OFFSET(mmu_psize_def.shift)": "4"}
    image.put(0x8200, "QI", LINEAR + 0x8400, 2)
    image.put(0x8300 + 2 * 24 + 4, "I", 16)
    image.put(0x8400, "3Q", 0, 0x80000, 0xC00C_0000_0000_0000)
    assert [section.node for section in sections(image.kernel())] == [0, 1, None]
    # Without it, or with a size that is none, the page tables are all there is: here they are empty.
    for address, form, value in ((0x8300 + 2 * 24 + 4, "I", 99), (0x8200, "Q", LINEAR + (1 << 40))):
        image.put(address, form, value)
        with pytest.raises(AbsentMemoryError, match="is not mapped"):
            list(sections(image.kernel()))


def test_lmbs_of_four_gigabytes_and_more() -> None:
    image = Image()
    image.put(VARIABLE, "QI4xQ", LINEAR + 0x30000, 1, 1 << 33)
    image.put(0x30000, "QIII", 0, 1, 0, 8)
    array = find_lmb_array(image.kernel(), 1 << 33)
    assert array is not None
    assert array.count == 1


def test_a_node_has_no_more_properties_than_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_tree, "_MOST_IN_NODE", 1)
    with pytest.raises(LimitError, match="more than 1 properties"):
        device_tree._TreeReader(rooted().kernel(), device_tree.NodeLayout(2, 11), BOUNDS).node(LINEAR + ROOT)


def test_vmcoreinfo_is_sought_in_pages_that_are_there_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image()
    image.has_note = False
    image.holes.add(0)
    monkeypatch.setattr(kernel_memory, "_MOST_LOOKED_THROUGH", 0)
    with pytest.raises(InputError, match="no VMCOREINFO"):
        image.kernel()
    # A pointer to it is enough, in either byte order.
    text = image.text_of_vmcoreinfo
    image.data[0x70000 : 0x70000 + len(text)] = text
    image.put(0x9000, "Q", LINEAR + 0x70000)
    assert image.kernel().vmcoreinfo.release == "6.1.0"


@each(
    ("symbols", "message"),
    [
        ({}, None),
        ({"of_root": VARIABLE}, None),
        ({"of_root": VARIABLE + 16}, r"of_root, which the symbols have at 0xc0\S+, does not point to the root"),
        ({"of_root": 1 << 40}, "the variable of_root cannot be read: physical address"),
    ],
)
def test_a_root_at_the_address_that_was_named(symbols: dict[str, int], message: str | None) -> None:
    memory = rooted().kernel()
    memory.pinned = {name: LINEAR + address for name, address in symbols.items()}
    if message is None:
        assert kernel_tree(memory, BOUNDS).children[0].name == "memory@0"
    else:
        with pytest.raises(DrmemctlError, match=message):
            kernel_tree(memory, BOUNDS)


def test_of_two_trees_and_arrays_the_named_one_is_taken() -> None:
    image = with_array("<", 3)
    add_array(image, VARIABLE + 0x100, 0x40000, 4)
    image.put(VARIABLE + 0x200, "QQ", LINEAR + VARIABLE + 0x100, LINEAR + VARIABLE + 8)
    memory = image.kernel()
    memory.pinned = {"drmem_info": LINEAR + VARIABLE + 0x200}
    array = find_lmb_array(memory, LMB)
    assert array is not None
    assert array.count == 4
    memory.pinned = {"drmem_info": LINEAR + VARIABLE + 0x208}
    with pytest.raises(InputError, match="does not point to an array of LMBs of 0x10000000 bytes"):
        find_lmb_array(memory, LMB)
    memory.pinned = {"initial_boot_params": LINEAR + VARIABLE + 0x200}
    with pytest.raises(InputError, match="does not point to a flattened tree that is in the dump"):
        boot_blob(memory)


def test_symbols_are_held_to_be_this_kernels() -> None:
    memory = Image(SYMBOL_prb=0x9100).kernel()
    there = {"node_data": LINEAR + NODE_DATA - 0x1000, "prb": LINEAR + 0x8100, "of_root": LINEAR + 0x8000}
    assert relocated(memory, there, "map") == {"of_root": LINEAR + 0x9000}  # a kernel that runs elsewhere
    with pytest.raises(InputError, match=r"symbols of another kernel: prb is at 0xc\S+, in the dump at 0xc"):
        relocated(memory, {**there, "prb": LINEAR}, "map")
    with pytest.raises(InputError, match="none of of_root, drmem_info, initial_boot_params is among"):
        relocated(memory, {"node_data": LINEAR}, "map")


@each(("properties", "agrees"), [(88, True), (96, False)])
def test_btf_has_to_agree(properties: int, agrees: bool) -> None:
    image = rooted()
    strings = b"\0device_node\0properties\0"
    types = struct.pack("<3I", 1, 4 << 24 | 1, 200) + struct.pack("<3I", 13, 0, 8 * properties)
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    # Across two pages, and behind bytes that begin as it does.
    image.data[0x500:0x508] = head[:8]
    image.data[0x1FFC : 0x1FFC + len(head + types + strings)] = head + types + strings
    if agrees:
        kernel_tree(image.kernel(), BOUNDS)
    else:
        with pytest.raises(
            InputError, match="BTF of this kernel has properties of struct device_node at 96, what"
        ):
            kernel_tree(image.kernel(), BOUNDS)
    image.holes.add(2)
    kernel_tree(image.kernel(), BOUNDS)  # what is not in the dump says nothing


@pytest.mark.parametrize(("others", "agrees"), [(7, False), (8, True)])
def test_what_only_begins_as_btf_is_passed_over_eight_times(others: int, agrees: bool) -> None:
    image = rooted()
    strings = b"\0device_node\0properties\0"
    types = struct.pack("<3I", 1, 4 << 24 | 1, 200) + struct.pack("<3I", 13, 0, 8 * 96)
    empty = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 1) + bytes(13)
    real = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings
    for place in range(others):
        image.data[0x500 + 64 * place : 0x500 + 64 * place + len(empty)] = empty
    image.data[0x1FFC : 0x1FFC + len(real)] = real
    if agrees:
        assert kernel_tree(image.kernel(), BOUNDS).children
    else:
        with pytest.raises(InputError, match="BTF of this kernel has properties of struct device_node at 96"):
            kernel_tree(image.kernel(), BOUNDS)


def test_the_tree_of_boot_at_the_address_that_was_named() -> None:
    image = rooted()
    blob = b"\xd0\r\xfe\xed" + (256).to_bytes(4, "big") + bytes(range(248))
    image.data[0x3000 : 0x3000 + len(blob)] = blob
    image.put(VARIABLE + 0x300, "Q", LINEAR + 0x3000)
    memory = image.kernel()
    memory.pinned = {"initial_boot_params": LINEAR + VARIABLE + 0x300}
    assert boot_blob(memory) == blob
