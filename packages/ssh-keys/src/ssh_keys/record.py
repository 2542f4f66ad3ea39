"""`Record` and `Struct`: named fields, declared like a dataclass and cheap to import.

`@dataclass` writes and compiles several methods for every class, at each import a millisecond: it
was a quarter of the time of `import ssh_keys`. A `Record` has the same methods once, for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, dataclass_transform

__all__ = ["Record", "Struct"]


class _Fields:
    """What records and structures have in common: the annotations of a class are its fields."""

    _fields: ClassVar[tuple[str, ...]] = ()
    _all: ClassVar[frozenset[str]] = frozenset()
    _hidden: ClassVar[tuple[str, ...]] = ()
    _positional: ClassVar[int] = 0
    _defaults: ClassVar[dict[str, object]] = {}

    def __init_subclass__(cls, *, kw_only: bool = False) -> None:
        super().__init_subclass__()
        own = [name for name, kind in cls.__annotations__.items() if "ClassVar" not in str(kind)]
        cls._fields = (*cls._fields, *own)
        cls._positional = 0 if kw_only else len(cls._fields)
        cls._all = frozenset(cls._fields)
        # Assigned in a way that type checkers do not mistake for a field.
        type.__setattr__(cls, "__match_args__", cls._fields[: cls._positional])
        cls._defaults = cls._defaults | {n: vars(cls)[n] for n in own if n in vars(cls)}

    def __init__(self, *args: object, **kwargs: object) -> None:
        names = self._fields
        values = self.__dict__
        if not kwargs and len(args) == len(names) == self._positional:
            values.update(zip(names, args, strict=False))
            return
        if not args and kwargs.keys() == self._all:
            values.update(kwargs)
            return
        if len(args) > self._positional:
            raise TypeError(
                f"{type(self).__name__} takes {self._positional} values by position, "
                f"{len(args)} were given"
            )
        values.update(self._defaults)
        if kwargs:
            values.update(kwargs)
            if len(kwargs.keys() & set(names[len(args) :])) != len(kwargs):
                wrong = sorted(kwargs.keys() - set(names[len(args) :]))
                raise TypeError(f"{type(self).__name__} has no field {wrong} to give by name")
        values.update(zip(names, args, strict=False))
        if len(values) != len(names):
            missing = [name for name in names if name not in values]
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")

    def replace(self, **changes: object) -> Self:
        """Return a copy with other values for some fields, as `copy.replace` does.

        Raises TypeError for a field that does not exist.
        """
        values = {**self.__dict__, **changes}
        if len(values) != len(self._fields):
            raise TypeError(f"{type(self).__name__} has no field {sorted(changes)}")
        copy = object.__new__(type(self))
        copy.__dict__.update(values)
        return copy

    __replace__ = replace

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={self.__dict__[name]!r}" for name in self._fields if name not in self._hidden
        )
        return f"{type(self).__name__}({shown})"


@dataclass_transform(frozen_default=True)
class Record(_Fields):
    """Base of immutable values: the annotations of a subclass are its fields, in order.

    A value in the class body is the default of its field. Records of one class compare equal and
    hash by content; fields named in `_hidden` are secrets or bulk, and are not in the repr.

    Parameters of the class statement:
        kw_only: whether the fields are given by name only.

    Making one raises TypeError for fields that are missing, unknown or given twice.
    """

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} cannot be changed")

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__[name] for name in self._fields))


@dataclass_transform()
class Struct(_Fields):
    """Base of values that change: as `Record`, but the fields can be set, and it has no hash.

    A default is one object for all, so it is never one that is changed in place.
    """

    if not TYPE_CHECKING:  # for them, every name could be set then

        def __setattr__(self, name: str, value: object) -> None:
            if name not in self._fields:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}")
            self.__dict__[name] = value
