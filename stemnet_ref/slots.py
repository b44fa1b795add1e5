"""What an optimizer remembers from step to step: arrays beside those of the parameters, wherever these lie."""

import numpy as np

from .dispatch import device_of, to_device_of, to_host
from .flat import Flat


class Slots(dict):
    """The slots of an optimizer: by the name of a slot a dict of arrays, one beside each parameter.

    Parameters
    ----------
    *names : str
        Names of the slots, which are empty until the first step.
    """

    def __init__(self, *names):
        super().__init__({name: {} for name in names})

    def beside(self, parameters, gradients):
        """Return rows of [parameter, its gradient, its array in every slot].

        There is one row for each parameter, or a single row of whole buffers where both are `Flat`. A slot holds zeros
        at first (eq. 17-18), and lies where the parameters do.

        Raises
        ------
        ValueError
            If the names or shapes of parameters and gradients differ.
        """
        if parameters.keys() != gradients.keys():
            odd = sorted(parameters.keys() ^ gradients.keys())
            raise ValueError(f"update: parameters and gradients must have the same names; {odd[0]} is in one only")
        for name, w in parameters.items():
            if w.shape != gradients[name].shape:
                raise ValueError(f"update: {name} has shape {w.shape}; its gradient {gradients[name].shape}")
        self.update({slot: _like(parameters, arrays) for slot, arrays in self.items()})
        dicts = parameters, gradients, *self.values()
        if all(isinstance(each, Flat) for each in dicts):
            return [[each.buffer for each in dicts]]
        return [[each[name] for each in dicts] for name in parameters]

    def state(self):
        """Return all arrays in one dict, by ``slot/parameter``."""
        return {f"{slot}/{name}": array for slot, arrays in self.items() for name, array in arrays.items()}

    def load(self, state, owner):
        """Copy what `state` returned; raise ValueError, which names the `owner`, unless its slots are these."""
        loaded = {slot: {} for slot in self}
        for key, array in state.items():
            slot, _, name = key.partition("/")
            if slot not in loaded:
                raise ValueError(f"load_state: {owner} has no slot {slot!r}; the state belongs to another optimizer")
            loaded[slot][name] = np.array(array)
        self.update(loaded)


def _like(parameters, arrays):
    """Return a slot's arrays on the parameters' device, zeros for those it lacks; a Flat if the parameters are one."""
    if not isinstance(parameters, Flat):
        return arrays | {name: to_device_of(w, arrays.get(name, np.zeros(w.shape, w.dtype)))
                         for name, w in parameters.items() if type(arrays.get(name)) is not type(w)}
    if isinstance(arrays, Flat):
        return arrays
    flat = Flat(parameters.shapes, parameters.buffer.dtype)
    for name, array in arrays.items():
        flat[name] = to_host(array)
    return flat.on(device_of(parameters.buffer))
