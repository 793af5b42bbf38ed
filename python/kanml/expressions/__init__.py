"""Residuals as expressions: traced once, then evaluated with their exact partial derivatives.

A `Trace` hands out expressions that stand for the outputs of a network, its inputs and trainable
scalars. Ordinary NumPy arithmetic on them builds a graph; `partials` differentiates it, and a
`Program` evaluates any number of expressions of it on arrays of points.

>>> import numpy as np
>>> from kanml.expressions import Leaf, Program, Trace, leaves, partials
>>> trace = Trace("tx")
>>> u, nu = trace.output("u"), trace.unknown("nu")
>>> [residual] = trace.components(u.t + u * u.x - nu * u.xx)
>>> residual
u.t + u*u.x - nu*u.xx
>>> needed = leaves([residual])
>>> [str(leaf) for leaf in needed]
['u', 'nu', 'u.t', 'u.x', 'u.xx']
>>> partials(residual, needed)
[u.x, -u.xx, 1, u, -nu]
>>> program = Program([residual, *partials(residual, needed)])
>>> values = {leaf: np.array([2.0, 3.0]) for leaf in needed} | {Leaf("unknown", "nu"): 0.5}
>>> program.evaluate(values, 2)[0]
array([ 5. , 10.5])
"""

from kanml.expressions.columns import replaced, split
from kanml.expressions.derivatives import partials
from kanml.expressions.expression import Expression, Graph
from kanml.expressions.functions import held
from kanml.expressions.names import identifier, letters
from kanml.expressions.nodes import Leaf, as_number, leaves
from kanml.expressions.program import Program
from kanml.expressions.recording import Recorded, Recording, record, record_alone
from kanml.expressions.trace import Trace

__all__ = [
    "Expression",
    "Graph",
    "Leaf",
    "Program",
    "Recorded",
    "Recording",
    "Trace",
    "as_number",
    "held",
    "identifier",
    "leaves",
    "letters",
    "partials",
    "record",
    "record_alone",
    "replaced",
    "split",
]
