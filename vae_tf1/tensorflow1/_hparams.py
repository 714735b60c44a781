"""`tf.contrib.training.HParams`: named values that text and JSON can override."""

import json
import numbers
import re

_ASSIGNMENT = re.compile(
    r"(?P<name>[A-Za-z][\w.]*)(\[\s*(?P<index>\d+)\s*\])?\s*=\s*((?P<value>[^,\[]*)|\[(?P<list>[^\]]*)\])($|,\s*)"
)


def parse_values(values: str, type_map: dict, ignore_unknown: bool = False) -> dict:
    """Parses `name=value,name=[value,value],name[index]=value`; the last becomes {name: {index: value}}.

    Raises:
        ValueError: the text is malformed, a name is unknown or given twice, or a value has another type.
    """
    found: dict = {}
    position = 0
    while position < len(values):
        match = _ASSIGNMENT.match(values, position)
        if match is None:
            raise ValueError(f"Malformed hyperparameter value: {values[position:]}")
        position = match.end()
        name, index = match["name"], match["index"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise ValueError(f"Unknown hyperparameter type for {name}")
        if name in found and not (index and isinstance(found[name], dict) and int(index) not in found[name]):
            raise ValueError(f"Multiple assignments to variable '{name}' in {values}")
        if match["list"] is None:
            value = _parse(match["value"], type_map[name], name)
            if index:
                found.setdefault(name, {})[int(index)] = value
            else:
                found[name] = value
        elif index:
            raise ValueError("Assignment of a list to a list index.")
        else:
            found[name] = [_parse(one, type_map[name], name) for one in re.split("[ ,]", match["list"]) if one]
    return found


def _parse(text: str, kind: type, name: str):
    try:
        if kind is bool:
            return text in ("true", "True") or (text not in ("false", "False") and bool(int(text)))
        return kind(text)
    except (TypeError, ValueError):
        raise ValueError(f"Could not parse hparam '{name}' of type '{kind.__name__}' with value '{text}'") from None


def _cast(value, kind: type, name: str):
    if type(value) is kind or kind is type(None):
        return value
    needed = next(
        (one for one in ((str, bytes), bool, numbers.Integral, numbers.Number) if issubclass(kind, one)), object
    )
    if not isinstance(value, needed) or isinstance(value, bool) != issubclass(kind, bool):
        raise ValueError(f"Could not cast hparam '{name}' of type '{kind}' from value {value!r}")
    return kind(value)


class HParams:
    """Named values, which are attributes.

    `parse`, `set_hparam` and the other overriding methods keep a value's first type: where a float was, they turn an
    int into a float and raise ValueError for text. Setting the attribute checks nothing.
    """

    def __init__(self, hparam_def=None, model_structure=None, **kwargs):
        if hparam_def is not None:
            raise ValueError("hparam_def is a protocol buffer of TensorFlow 1, which is gone; pass the values by name.")
        self._hparam_types = {}  # name: (type, whether it is a list)
        self._model_structure = model_structure
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value) -> None:
        if getattr(self, name, None) is not None:
            raise ValueError(f"Hyperparameter name is reserved: {name}")
        is_list = isinstance(value, list | tuple)
        if is_list and not value:
            raise ValueError(f"Multi-valued hyperparameters cannot be empty: {name}")
        self._hparam_types[name] = (type(value[0] if is_list else value), is_list)
        setattr(self, name, value)

    def set_hparam(self, name: str, value) -> None:
        if name not in self._hparam_types:
            raise KeyError(f"{name} is not a hyperparameter; the hyperparameters are {', '.join(self._hparam_types)}.")
        kind, is_list = self._hparam_types[name]
        if isinstance(value, list) != is_list:
            raise ValueError(f"Must {'' if is_list else 'not '}pass a list for the hyperparameter {name}.")
        setattr(self, name, [_cast(one, kind, name) for one in value] if is_list else _cast(value, kind, name))

    def del_hparam(self, name: str) -> None:
        if self._hparam_types.pop(name, None) is not None:
            delattr(self, name)

    def parse(self, values: str) -> "HParams":
        """Overrides values from `name=value,name=[value,value]`, and returns itself.

        Raises:
            ValueError: a name is unknown, or a value has another type.
        """
        return self.override_from_dict(
            parse_values(values, {name: kind for name, (kind, _) in self._hparam_types.items()})
        )

    def override_from_dict(self, values_dict: dict) -> "HParams":
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    set_from_map = override_from_dict

    def parse_json(self, values_json: str) -> "HParams":
        return self.override_from_dict(json.loads(values_json))

    def set_model_structure(self, model_structure) -> None:
        self._model_structure = model_structure

    def get_model_structure(self):
        return self._model_structure

    def values(self) -> dict:
        return {name: getattr(self, name) for name in self._hparam_types}

    def get(self, key: str, default=None):
        return getattr(self, key) if key in self else default

    def to_json(self, indent=None, separators=None, sort_keys: bool = False) -> str:
        return json.dumps(self.values(), indent=indent, separators=separators, sort_keys=sort_keys)

    def __contains__(self, key) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.values().items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self.values().items())})"
