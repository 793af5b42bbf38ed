"""Print what the kernels for GPUs have to do, and the least time that this takes on a card.

    python bench/gpu_roof.py                                     the three jobs of docs/gpu.md
    python bench/gpu_roof.py --widths 2 8 8 1 --orders 1 2 --samples 1000000     given cotangents
    python bench/gpu_roof.py --widths 64 64 --degree 3 --intervals 16 --card H200

Nothing is measured. The counts follow the loops of cpp/block as they are; docs/gpu.md has the
formulas, and what is left out. Networks are of spline layers on uniform knots, without base
functions, with samples that fall into all intervals alike.
"""

from __future__ import annotations

import argparse
from dataclasses import astuple, dataclass, replace

from kanml.experiments.tables import heading

AT_ONCE = 8  # outputs of the gradient that share a phase (block/spline_gradient.hpp)
STRIP = 4  # outputs that a thread computes together (block/linear.hpp)
SUMS = 16  # bytes of a loss and its largest component
WARP = 32
LINE = 128  # bytes
SLOT_BYTES = 32 << 20
SHARED = 227 * 1024  # bytes of a block, at most


@dataclass(frozen=True)
class Card:
    """Rates of a second; `l2` is in bytes."""

    name: str
    float32: float
    float64: float
    memory: float
    multiprocessors: int = 132
    clock: float = 1.7e9
    l2: float = 50e6


CARDS = {
    "H100": Card("H100 SXM", 67e12, 34e12, 3.35e12),
    "H200": Card("H200", 67e12, 34e12, 4.8e12),
}


@dataclass(frozen=True)
class Counts:
    """Of floating-point operations, and of bytes."""

    flops: float = 0.0
    read: float = 0.0  # of shared memory
    written: float = 0.0
    gathered: float = 0.0  # of coefficients, from L1 and L2: by samples, or to be copied
    sums: float = 0.0  # of gradients and rows, read and written in L2
    lines: float = 0.0  # of L1 that a warp touches to do so, one after the other
    memory: float = 0.0  # of the device

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, factor: float) -> Counts:
        return Counts(*(factor * a for a in astuple(self)))


@dataclass(frozen=True)
class Formula:
    """The program of a term: what it reads, and the numbers of arguments of its instructions."""

    coefficients: int
    constants: int
    arguments: tuple[int, ...]
    results: int  # components of a loss, or rows
    slopes: int  # with respect to coefficients, of a loss or of each row
    registers: int


# u_t + u u_x - nu u_xx, as kanml traces it
BURGERS_LOSS = Formula(4, 3, (2, 2, 2, 2, 1, 2, 2, 2, 2), 1, 4, 13)
BURGERS_ROWS = Formula(4, 3, (2, 2, 2, 2), 1, 4, 9)


@dataclass(frozen=True)
class Job:
    """An evaluation. Without a formula, cotangents are given and go back to the inputs too."""

    widths: tuple[int, ...]
    degree: int = 3
    intervals: int = 8
    orders: tuple[int, ...] = ()  # of each direction
    size: int = 4  # bytes of a number
    samples: int = 65536
    formula: Formula | None = None
    rows: bool = False  # a Jacobian, in place of a loss and its gradient
    given_team: tuple[int, int] | None = None
    given_room: int | None = None

    @property
    def team(self) -> tuple[int, int]:
        """Samples of a tile, and groups: as `BlockNetwork::fitting` chooses them."""
        if self.given_team is not None:
            return self.given_team
        groups = min(8, -(-max(self.widths) // STRIP))
        samples = 32
        while samples > 1 and tile_bytes(replace(self, given_team=(samples, groups))) > SHARED:
            samples = (samples + 1) // 2
        return samples, groups

    @property
    def room(self) -> int:
        """For coefficients in shared memory, as `coefficients_at_once` counts them."""
        if self.given_room is not None:
            return self.given_room
        limit = max(0, min(SHARED - tile_bytes(self), SHARED // 4)) // 16 * 16 // self.size
        return max(
            inputs_at_once(self, *layer, limit) * coefficients_of_input(self, layer[1])
            for layer in self.layers
        )

    @property
    def slots(self) -> int:
        """Partial gradients, as `BlockNetwork::slots_for` counts them."""
        return max(1, min(1024, self.tiles, SLOT_BYTES // (self.parameters * self.size)))

    @property
    def order(self) -> int:
        return max(self.orders, default=0)

    @property
    def planes(self) -> int:
        return 1 + sum(self.orders)

    @property
    def layers(self) -> list[tuple[int, int]]:
        return list(zip(self.widths[:-1], self.widths[1:], strict=True))

    @property
    def parameters(self) -> int:
        return sum(p * q for p, q in self.layers) * (self.intervals + self.degree)

    @property
    def tiles(self) -> int:
        return -(-self.samples // self.team[0])


def strips(n_out: int) -> int:
    """Strips of outputs: whole ones, and the rest one by one."""
    return n_out // STRIP + n_out % STRIP


def basis_flops(job: Job, top: int) -> float:
    """Of the basis of a point and its derivatives up to `top`, with the way to its interval."""
    k = job.degree
    locating = (26 if job.size == 4 else 13) + 1 / job.intervals
    derivatives = sum(2 * sum(range(k - m + 1, k + 1)) for m in range(1, min(top, k) + 1))
    return locating + 3 * k * (k + 1) + derivatives


def composition_flops(job: Job) -> int:
    """Of the weights of all directions at a point."""
    return sum(
        2 * (m - r + 1) + 1
        for order in job.orders
        for r in range(2, order + 1)
        for m in range(r, order + 1)
    )


def lines_of_a_load(job: Job, n_out: int) -> float:
    """Lines that a warp touches with a coefficient of each sample, expected."""
    lines = min(job.intervals, max(1.0, job.intervals * n_out * job.size / LINE))
    return lines * (1 - (1 - 1 / lines) ** WARP)


def coefficients_of_input(job: Job, n_out: int) -> int:
    """Numbers that they take in shared memory: rows are an odd number of words apart."""
    return (job.intervals + job.degree) * (n_out | 1)


def inputs_at_once(job: Job, n_in: int, n_out: int, room: int) -> int:
    """Inputs whose coefficients are in shared memory together; 0 if they are not copied."""
    fit, groups = room // coefficients_of_input(job, n_out), job.team[1]
    return n_in if fit >= n_in else fit - fit % groups if fit > groups else fit


def coefficients(job: Job, n_in: int, n_out: int) -> Counts:
    """The loads of all coefficients of a sample."""
    words = n_in * n_out * (job.degree + 1)
    if inputs_at_once(job, n_in, n_out, job.room) > 0:
        return Counts(read=words * job.size)
    return Counts(gathered=words * job.size, lines=words / WARP * lines_of_a_load(job, n_out))


def copying(job: Job, n_in: int, n_out: int) -> Counts:
    """The way of the coefficients of a layer to shared memory, for a tile."""
    size = n_in * n_out * (job.intervals + job.degree) * job.size
    if inputs_at_once(job, n_in, n_out, job.room) == 0:
        return Counts()
    return Counts(written=size, gathered=size, lines=size / LINE)


def forward(job: Job, n_in: int, n_out: int) -> Counts:
    """A sample through a layer. Each group computes the basis."""
    groups, k, o, m = job.team[1], job.degree, job.order, job.planes
    edges = n_in * n_out
    flops = n_in * groups * (basis_flops(job, max(1, o)) + 2 * (k + 1))
    flops += edges * (2 * (k + 1) * (o + 1) + m)
    flops += edges * sum(2 * i - 1 for order in job.orders for i in range(1, order + 1))
    flops += n_in * strips(n_out) * composition_flops(job)
    read = n_in * groups + (n_in - 1) * n_out * m + n_in * strips(n_out) * (m - 1)
    return coefficients(job, n_in, n_out) + Counts(
        flops=flops, read=read * job.size, written=edges * m * job.size
    )


def back(job: Job, n_in: int, n_out: int) -> Counts:
    """The cotangents of a sample through a layer."""
    k, o, m, n_strips = job.degree, job.order, job.planes, strips(n_out)
    of_output = 2 * (k + 1) * (o + 1) + 2
    for order in job.orders:
        of_output += sum(2 * i + 1 for i in range(1, order + 1)) + order * (order + 1) + 1
    flops = basis_flops(job, o + 1) + n_out * of_output
    flops += n_strips * (composition_flops(job) + m)
    read = 1 + n_out * m + n_strips * (2 * (m - 1) + 1)
    written = m + n_strips * m
    return coefficients(job, n_in, n_out) + Counts(
        flops=n_in * flops, read=n_in * read * job.size, written=n_in * written * job.size
    )


def cotangents_of_derivatives(job: Job) -> tuple[int, int]:
    """Operations and words that are read for an input, an output and a sample."""
    flops = composition_flops(job) + sum(order * (order + 1) for order in job.orders)
    return flops, 1 + 2 * (job.planes - 1)


def add_to_sums(job: Job, n_in: int, n_out: int) -> Counts:
    """A tile, to the gradient with respect to the coefficients of a layer."""
    samples, k, o = job.team[0], job.degree, job.order
    functions, n_strips = job.intervals + k, strips(n_out)
    own, words = cotangents_of_derivatives(job)
    flops = samples * (basis_flops(job, max(1, o)) + n_out * own)
    flops += samples * (k + 1) * n_out * 2 * (o + 1) + functions * n_out
    # Numbers, then integers: the sort, where samples begin by bisection, where they end
    read = samples * (1 + n_out * words)
    read += samples * (k + 1) * (n_strips + n_out) * (o + 1)
    written = samples * ((o + 1) * (k + 2) + n_out * (o + 1))
    read_integers = samples * (1 + samples) + functions * n_strips * samples.bit_length()
    read_integers += 2 * samples * (k + 1) * n_strips + (job.intervals - 1) * n_strips
    written_integers = 3 * samples
    sums = 2 * functions * n_out
    return (
        Counts(
            flops=flops,
            read=read * job.size + 4 * read_integers,
            written=written * job.size + 4 * written_integers,
            sums=sums * job.size,
            lines=2 * functions * -(-n_out // AT_ONCE),
        )
        * n_in
    )


def add_to_row(job: Job, n_in: int, n_out: int) -> Counts:
    """A sample, to a row of a Jacobian. Neighbouring threads have rows of their own."""
    k, o = job.degree, job.order
    own, words = cotangents_of_derivatives(job)
    flops = basis_flops(job, max(1, o)) + n_out * (own + (k + 1) * (2 * (o + 1) + 1))
    sums = 2 * (k + 1) * n_out
    read = 1 + n_out * words
    return Counts(flops, read * job.size, sums=sums * job.size, lines=sums) * n_in


def formula_of_a_sample(job: Job, formula: Formula) -> Counts:
    """The interpreter: its inputs, constants and instructions."""
    instructions = len(formula.arguments)
    read = formula.coefficients + sum(formula.arguments) + formula.results
    written = formula.coefficients + formula.constants + instructions
    return Counts(instructions, read * job.size, written * job.size)


def seeds_of_a_sample(job: Job, formula: Formula) -> Counts:
    """The cotangents of the outputs, from the slopes of a loss or of a row."""
    cleared = job.planes * job.widths[-1]
    return Counts(
        2 * formula.slopes,
        2 * formula.slopes * job.size,
        (cleared + formula.slopes) * job.size,
    )


def tile(job: Job) -> Counts:
    """A full tile, there and back."""
    samples = job.team[0]
    n_in, n_out, planes = job.widths[0], job.widths[-1], job.planes
    of_sample = Counts(written=n_in * planes * job.size)
    of_tile = Counts()
    for layer in job.layers:
        of_sample += forward(job, *layer)
        of_tile += copying(job, *layer)
    backs = 1
    if job.formula is None:
        of_sample += Counts(written=planes * n_out * job.size)
        of_sample += back(job, *job.layers[0]) + Counts(read=n_in * job.size)
        of_tile += copying(job, *job.layers[0])
    else:
        of_sample += formula_of_a_sample(job, job.formula)
        of_sample += seeds_of_a_sample(job, job.formula) * (job.formula.results if job.rows else 1)
        backs = job.formula.results if job.rows else 1
    if job.rows:
        zeros = backs * job.parameters
        of_sample += Counts(sums=zeros * job.size, lines=zeros * job.size / LINE)
    elif job.formula is not None:
        of_sample += Counts(read=job.size)  # the loss
        of_tile += Counts(read=SUMS * (2 * (samples - 1) + 1), written=SUMS * (2 * samples - 1))
    for layer in job.layers:
        if job.rows:
            of_sample += add_to_row(job, *layer) * backs
        else:
            of_tile += add_to_sums(job, *layer)
    for layer in job.layers[1:]:
        of_sample += back(job, *layer) * backs
        of_tile += copying(job, *layer) * backs
    return of_sample * samples + of_tile


def device_memory(job: Job, card: Card) -> float:
    """Bytes that come from the memory of the device or go there, at least."""
    n, size = job.samples, job.size
    total = n * job.widths[0] * size + job.parameters * size
    if job.formula is None:
        total += n * (job.widths[0] + job.planes * job.widths[-1]) * size
    if job.rows and job.formula is not None:
        return total + n * job.formula.results * (job.parameters + 1) * size
    gradients = job.slots * job.parameters * size
    total += 2 * gradients  # cleared, and added up
    if gradients > card.l2:
        total += tile(job).sums * n / job.team[0]
    return total


def counts(job: Job, card: Card) -> Counts:
    """Of the whole job."""
    return replace(tile(job) * (job.samples / job.team[0]), memory=device_memory(job, card))


def shared_bytes(job: Job) -> int:
    """The shared memory of a block."""
    return tile_bytes(job) + -(-job.room * job.size // 16) * 16


def tile_bytes(job: Job) -> int:
    """The shared memory of a block without that of coefficients."""
    samples, groups = job.team
    stride = samples + 1
    of_features = job.planes * stride * job.size
    edges = groups * (job.order + 1) * (job.degree + 2 + AT_ONCE) * stride * job.size
    arrays = [
        sum(job.widths) * of_features,
        job.widths[-1] * of_features,
        2 * max(job.widths) * of_features,
        edges,
        *3 * [4 * samples * groups],
    ]
    if job.formula is not None:
        arrays.append(job.formula.registers * samples * job.size)
        if not job.rows:
            arrays += [SUMS * samples, 8 * samples]
    return sum(-(-array // 16) * 16 for array in arrays)


def roofs(job: Job, card: Card) -> dict[str, float]:
    """Seconds that each of the resources takes alone, at its full rate."""
    all_of_it = counts(job, card)
    busy = min(card.multiprocessors, job.tiles)
    rate = card.float32 if job.size == 4 else card.float64
    return {
        "arithmetic": all_of_it.flops / (rate * busy / card.multiprocessors),
        "device memory": all_of_it.memory / card.memory,
        "shared memory": (all_of_it.read + all_of_it.written) / (LINE * card.clock * busy),
        "lines of L1": all_of_it.lines / (card.clock * busy),
    }


JOBS = {
    "layer": Job((64, 64)),
    "Burgers": Job((2, 8, 8, 1), orders=(1, 2), samples=1_000_000, formula=BURGERS_LOSS),
    "Jacobian": Job(
        (2, 8, 8, 1), orders=(1, 2), size=8, samples=4096, formula=BURGERS_ROWS, rows=True
    ),
}

COUNTED = "{:10s}{:>9.3g}{:>9.3g}{:>9.3g}{:>9.3g}{:>9.3g}{:>9.3g}{:>9.3g}{:>9d}"
COLUMNS = ("flops", "device", "read", "written", "gathered", "sums", "lines", "block")
TIMES = "{:10s}{:10s}{:>9.3g}{:>9.3g}{:>9.3g}{:>9.3g}  {:s}"


def print_tables(jobs: dict[str, Job], cards: list[Card]) -> None:
    print("bytes, except for operations and lines of L1; `block` is shared memory of a block")
    print(heading(COUNTED.replace(".3g", "s").replace("9d", "9s"), ("job", *COLUMNS)))
    for name, job in jobs.items():
        of = counts(job, cards[0])
        sizes = (of.flops, of.memory, of.read, of.written, of.gathered, of.sums, of.lines)
        print(COUNTED.format(name, *sizes, shared_bytes(job)))
        if shared_bytes(job) > SHARED:
            print(f"{name} does not fit: a block has {SHARED} bytes")
    print("\nroofs in microseconds, predicted and never measured")
    names = ("job", "card", "flops", "device", "shared", "lines", "binds")
    print(heading(TIMES.replace(".3g", "s").replace("{:s}", "{:15s}"), names))
    for card in cards:
        for name, job in jobs.items():
            times = {key: 1e6 * seconds for key, seconds in roofs(job, card).items()}
            largest = max(times, key=lambda key: times[key])
            print(TIMES.format(name, card.name, *times.values(), largest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", metavar="N", help="of a network")
    parser.add_argument("--degree", type=int, default=3)
    parser.add_argument("--intervals", type=int, default=8)
    parser.add_argument("--orders", type=int, nargs="*", default=(), help="of each direction")
    parser.add_argument("--samples", type=int, default=65536)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--team", type=int, nargs=2, metavar="N", help="samples and groups")
    parser.add_argument("--card", choices=CARDS, action="append", help="one; all by default")
    given = parser.parse_args()
    of_network = ("degree", "intervals", "orders", "samples", "dtype")
    changed = [name for name in of_network if getattr(given, name) != parser.get_default(name)]
    if given.widths is None and changed:
        parser.error(f"--{changed[0]} is for a network that --widths describes")
    if given.widths is not None and (len(given.widths) < 2 or min(given.widths) < 1):
        parser.error(f"--widths must be two or more numbers >= 1, got {given.widths}")
    if min(given.degree, given.intervals, given.samples) < 1:
        parser.error("--degree, --intervals and --samples must be >= 1")
    jobs = JOBS
    if given.widths is not None:
        job = Job(
            tuple(given.widths), given.degree, given.intervals, tuple(given.orders),
            4 if given.dtype == "float32" else 8, given.samples,
        )  # fmt: skip
        jobs = {"given": job}
    if given.team is not None:
        jobs = {name: replace(job, given_team=tuple(given.team)) for name, job in jobs.items()}
    print_tables(jobs, [CARDS[name] for name in given.card or CARDS])


if __name__ == "__main__":
    main()
