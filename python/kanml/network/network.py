"""Networks: an architecture and one flat parameter vector, both immutable."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kanml._validation import FloatArray, choice, finite, float_dtype, integer, real_array
from kanml.devices import DeviceArray
from kanml.layers import BASES, Layer, describe, from_description
from kanml.network import files
from kanml.network.architecture import Architecture
from kanml.network.start import RANDOM_SHARES, Generator, Start
from kanml.network.summary import Summary, in_a_line, summary
from kanml.network.visible import Visible
from kanml.splines.operators import InvertibleOperator
from kanml.splines.prolongation import BlockProlongation

__all__ = ["Network", "load"]


class Network(Visible):
    """A network of layers with one flat parameter vector. It is immutable.

    Parameters
    ----------
    layers : sequence of layers
        `SplineLayer`, `Linear`, `Activation`, `Affine` and `PeriodicEmbedding`, in the order of
        evaluation.
    seed : int or numpy.random.Generator
        The source of the initial parameters.
    dtype : {"float64", "float32"}
        The type of the parameters and of all arithmetic.
    data : array_like, shape (N, n_in), optional
        Training inputs, from which the initialisation takes the ranges of the layers' inputs.
        Without them it assumes inputs that fill the domain of the first layer, if that is a spline
        layer, and [-1, 1] otherwise; fixed layers in front, such as `Affine.normalising`, are taken
        into account.
    start : {"mixed", "linear", "random"}
        What all spline layers but the last start as: linear maps, random splines, or half of each.
        `train` tries the others too: see its `restarts`.

    Raises
    ------
    ValueError
        If the widths of consecutive layers do not fit, an argument is not as described, knots
        coincide in the dtype, or the dtype cannot hold the ReLU weights.
    TypeError
        If `layers` holds anything but layers of kanml.

    Examples
    --------
    >>> import kanml
    >>> space = kanml.SplineSpace.uniform(-1, 1, intervals=5, degree=3)
    >>> net = kanml.Network([kanml.Linear(2, 5), kanml.SplineLayer(5, 1, space)], seed=0)
    >>> net.n_parameters
    55
    >>> net([[0.1, 0.2], [0.3, 0.4]]).shape
    (2, 1)
    >>> import numpy as np
    >>> x = np.random.default_rng(0).uniform(-2, 2, (100, 2))
    >>> bool(abs(net.refine()(x) - net(x)).max() < 1e-13)
    True
    """

    __slots__ = ("_start",)

    _start: Start | None

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        seed: int | Generator = 0,
        dtype: npt.DTypeLike = "float64",
        data: npt.ArrayLike | None = None,
        start: str = "mixed",
    ) -> None:
        choice(start, "start", tuple(RANDOM_SHARES))
        float_type = float_dtype(dtype)
        self._architecture = Architecture(layers)
        inputs = None
        if data is not None:
            inputs = finite(real_array(data, "data"), "data")
            if inputs.ndim != 2 or inputs.shape[1] != self.n_in or len(inputs) == 0:
                raise ValueError(
                    f"data must have shape (N, {self.n_in}) with N >= 1, got shape {inputs.shape}"
                )
        drawn, self._start = Start.first(self.layers, start, seed, inputs)
        self._parameters = _frozen(self._architecture.encode(drawn).astype(float_type))
        self._core_network()  # so that knots which coincide in the dtype are refused here

    @classmethod
    def _of(
        cls, architecture: Architecture, parameters: FloatArray, start: Start | None = None
    ) -> Network:
        net = object.__new__(cls)
        net._architecture = architecture
        net._parameters = _frozen(parameters)
        net._start = start
        return net

    @property
    def fresh(self) -> bool:
        """Whether the constructor drew the parameters, so that other initial ones would do as well.

        False after `with_parameters`, `refine`, `restart` and `load`; copies keep it.
        """
        return self._start is not None

    def restart(self, number: int) -> Network:
        """Return the network with other initial parameters.

        Parameters
        ----------
        number : int
            0 is the network itself; every other number is another start of the same seed. The
            starts of hidden spline layers take turns in the order "mixed", "linear", "random",
            which begins at the `start` of the network.

        Returns
        -------
        Network

        Raises
        ------
        ValueError
            If the network is not `fresh` and `number` is not 0.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([2, 3, 1], seed=0)
        >>> bool((net.restart(1).parameters == net.parameters).any())
        False
        >>> net.with_parameters(net.parameters).fresh
        False
        """
        if integer(number, "number", 0) == 0:
            return self
        if self._start is None:
            raise ValueError(
                "restart needs a network with the parameters that its constructor drew, but this "
                "one has others: it comes from with_parameters, refine, restart or load"
            )
        drawn = self._start.other(self.layers, number)
        return Network._of(self._architecture, self._architecture.encode(drawn).astype(self.dtype))

    def with_parameters(self, parameters: npt.ArrayLike) -> Network:
        """Return the network with other parameters; NaN and infinity are allowed here.

        Parameters
        ----------
        parameters : array_like, shape (n_parameters,)

        Returns
        -------
        Network

        Raises
        ------
        ValueError
            If the length is not `n_parameters`.
        """
        theta = self._vector(parameters, "parameters")
        return Network._of(self._architecture, theta.copy())

    def _placed(self, parameters: DeviceArray) -> Network:
        """Return the network with parameters on a device, where it is evaluated then."""
        net = object.__new__(Network)
        net._architecture, net._parameters, net._start = self._architecture, parameters, None
        return net

    def astype(self, dtype: npt.DTypeLike) -> Network:
        """Return the network in another dtype, with its parameters rounded to it.

        Parameters
        ----------
        dtype : {"float64", "float32"}

        Returns
        -------
        Network

        Raises
        ------
        ValueError
            If knots coincide in the dtype, or it cannot hold the ReLU weights.

        Examples
        --------
        >>> import kanml
        >>> kanml.KAN([1, 1], seed=3).astype("float32").dtype
        dtype('float32')
        """
        parameters = self.parameters.astype(float_dtype(dtype))
        net = Network._of(self._architecture, parameters, self._start)
        net._core_network()  # so that knots which coincide in the dtype are refused here
        return net

    def _same_as(self, other: Network) -> bool:
        """Say whether this is the same network: the same architecture object, equal parameters.

        Networks derived from each other by `with_parameters` share their architecture.
        """
        return self._architecture is other._architecture and np.array_equal(
            self.parameters, other.parameters
        )

    def refine(self, factor: int = 2, spaces: Sequence[Any] | None = None) -> Network:
        """Return the same function as a network on finer knots, outside the domain too.

        Parameters
        ----------
        factor : int
            The number of equal parts into which every interval of every spline layer is divided.
        spaces : sequence, optional
            Replaces `factor`. For each layer: None (unchanged), its finer space, or one finer space
            for each of its inputs.

        Returns
        -------
        Network

        Raises
        ------
        ValueError
            If a chosen space is not a refinement of the present one, or the dtype cannot hold the
            weights of a finer layer in the ReLU basis.
        """
        architecture = self._architecture.refine(factor, spaces)
        operator = self._architecture.prolongation(self.parameters, architecture)
        fine = Network._of(architecture, operator @ self.parameters)
        fine._core_network()  # so that parameters which do not fit the dtype are refused here
        return fine

    def _refined_shape(self, times: int) -> Network:
        """Return `refine()` with zero parameters: it raises the same errors, but costs little."""
        architecture = self._architecture
        for _ in range(times):
            architecture = architecture.refine(2, None)
        shape = Network._of(architecture, np.zeros(architecture.n_parameters, self.dtype))
        shape._core_network()
        return shape

    def to_basis(self, basis: str) -> Network:
        """Return the same function with the coefficients of all spline layers in a basis.

        Parameters
        ----------
        basis : {"spline", "relu"}
            B-splines, or the powers ``max(x - knots[j], 0)**degree``: see `relu_transform`.

        Returns
        -------
        Network

        Raises
        ------
        ValueError
            If the dtype cannot hold the ReLU weights: with n intervals they alternate in sign and
            are about ``n**degree`` times as large as the splines that they sum to.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([2, 3, 1], degree=2, intervals=6, seed=0)
        >>> relu = net.to_basis("relu")
        >>> x = [[0.1, 0.2], [3.0, -4.0]]
        >>> bool(abs(relu(x) - net(x)).max() < 1e-12)
        True
        """
        change = self.change_of_basis(basis)
        architecture = self._architecture.to_basis(basis)
        return Network._of(architecture, change @ self.parameters, self._start)

    def change_of_basis(self, basis: str) -> InvertibleOperator:
        """Return the linear operator from these parameters to those of `to_basis`.

        Its transpose carries gradients back: ``change.T @ gradient_there == gradient_here``.

        Parameters
        ----------
        basis : {"spline", "relu"}

        Returns
        -------
        InvertibleOperator

        Raises
        ------
        ValueError
            As in `to_basis`.
        """
        choice(basis, "basis", BASES)
        self._architecture.to_basis(basis).require_fit(self.dtype)
        return self._architecture.change_of_basis(basis)

    def prolongation(self, fine: Network) -> BlockProlongation:
        """Return the linear operator from these parameters to those of a refined network.

        Parameters
        ----------
        fine : Network
            The same layers on finer spaces, in the same bases.

        Returns
        -------
        BlockProlongation

        Raises
        ------
        ValueError
            If `fine` is not such a network.

        Examples
        --------
        >>> import kanml
        >>> net = kanml.KAN([1, 1], degree=3, intervals=4)
        >>> net.prolongation(net.refine()).shape
        (11, 7)
        """
        if not isinstance(fine, Network):
            raise TypeError(f"fine must be a Network, got {fine!r}")
        return self._architecture.prolongation(self.parameters, fine._architecture)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file, which `kanml.load` reads.

        Parameters
        ----------
        path : path-like
            An existing file is replaced as a whole, or stays as it is if writing fails.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        files.write(
            path, {"kind": "network", **describe_network(self)}, {"parameters": self.parameters}
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return network_from, (describe_network(self), self.parameters, self._start)

    def summary(self) -> Summary:
        """Return a table of the layers, as a text that prints and shows in a notebook.

        Examples
        --------
        >>> import kanml
        >>> kanml.KAN([2, 5, 1], degree=3, intervals=4, activation="tanh").summary()
        layer               inputs -> outputs  degree  intervals   domain  parameters
        -----------------------------------------------------------------------------
        SplineLayer         2 -> 5                  3          4  [-1, 1]          70
        Activation('tanh')  5 -> 5                  -          -        -           -
        SplineLayer         5 -> 1                  3          4  [-1, 1]          35
        -----------------------------------------------------------------------------
        total, float64      2 -> 1                                                105
        """
        return summary(self)

    def __repr__(self) -> str:
        return in_a_line(self)


def _frozen(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array


def describe_network(net: Network) -> dict[str, Any]:
    """Return the layers and dtype of a network as plain values for JSON."""
    return {"dtype": net.dtype.name, "layers": [describe(layer) for layer in net.layers]}


def network_from(
    description: Mapping[str, Any], parameters: FloatArray, start: Start | None = None
) -> Network:
    """Return the network of a description and its parameters."""
    architecture = Architecture([from_description(layer) for layer in description["layers"]])
    if parameters.shape != (architecture.n_parameters,):
        raise ValueError(
            f"the layers have {architecture.n_parameters} parameters, got shape {parameters.shape}"
        )
    if parameters.dtype.name != description["dtype"] or parameters.dtype.kind != "f":
        raise ValueError(
            f"a network in {description['dtype']} cannot have parameters in {parameters.dtype}"
        )
    net = Network._of(architecture, parameters, start)
    net._core_network()  # so that knots which coincide in the dtype are refused here
    return net


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network that `Network.save` wrote: the same function, bit for bit.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the file is not a kanml network, or was truncated or altered.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import kanml, tempfile, pathlib
    >>> net = kanml.KAN([1, 1], seed=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.save(pathlib.Path(folder) / "net.kanml")
    ...     copy = kanml.load(pathlib.Path(folder) / "net.kanml")
    >>> bool((copy.parameters == net.parameters).all())
    True
    """
    description, arrays = files.read(path, "network")
    with files.errors_about(path):
        return network_from(description, arrays["parameters"])
