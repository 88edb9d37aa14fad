# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of a record that crosses a trust boundary: check it, fit it, print its JSON schema.

A record is described once, by a table of these types. The side that writes the record uses
`fit`, which leaves out what does not conform. The side that reads it uses `admit`, which returns a
plain copy or raises Malformed. `schema` returns the same rules as JSON schema.
"""

# Keys are shown in messages; they come from a host.
SHOWN_LIMIT = 40


class Malformed(Exception):
    """A value that does not conform: which field, and why."""

    def __init__(self, field, why):
        Exception.__init__(self, "{0} {1}".format(field or "the record", why))
        self.field = field
        self.why = why


def shown(words, limit=SHOWN_LIMIT):
    """Text from a host as printable text of bounded length."""
    escaped = [
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in words[:limit]
    ]
    return "".join(escaped)[:limit]


def named(value):
    """The JSON type of a value."""
    for kind, name in ((bool, "a boolean"), (dict, "an object"), (list, "a list")):
        if isinstance(value, kind):
            return name
    if isinstance(value, (int, float)):
        return "a number"
    return "a string" if isinstance(value, str) else "null" if value is None else "another type"


def at(field, key):
    return "{0}.{1}".format(field, shown(key)) if field else shown(key)


class _Type:
    note = None

    def admit(self, value, field=""):
        raise NotImplementedError

    def rules(self):
        raise NotImplementedError

    def fit(self, value, field="", dropped=None):
        """The value if it conforms, else None; its field is added to `dropped`."""
        try:
            return self.admit(value, field)
        except Malformed as malformed:
            if dropped is not None and value is not None:
                dropped.append(str(malformed))
            return None

    def schema(self):
        rules = self.rules()
        if self.note:
            rules["description"] = self.note
        return rules


class Text(_Type):
    """A string of at most `most` characters, or one of `choices`."""

    def __init__(self, most=160, choices=None, note=None):
        self.most, self.choices, self.note = most, choices, note

    def admit(self, value, field=""):
        if not isinstance(value, str):
            raise Malformed(field, "is {0}, not a string".format(named(value)))
        if len(value) > self.most:
            raise Malformed(field, "is longer than {0} characters".format(self.most))
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            # A lone surrogate can be neither printed nor written to a file.
            raise Malformed(field, "is not valid Unicode")
        if self.choices and value not in self.choices:
            raise Malformed(field, "is none of {0}".format(", ".join(self.choices)))
        # A plain string: Ansible's own subclasses of str carry tags.
        return str.__str__(value)

    def fit(self, value, field="", dropped=None):
        if isinstance(value, str):
            value = value[: self.most]
        return _Type.fit(self, value, field, dropped)

    def rules(self):
        if self.choices:
            return {"enum": list(self.choices)}
        return {"type": "string", "maxLength": self.most}


class Flag(_Type):
    def __init__(self, note=None):
        self.note = note

    def admit(self, value, field=""):
        if not isinstance(value, bool):
            raise Malformed(field, "is {0}, not a boolean".format(named(value)))
        return value

    def rules(self):
        return {"type": "boolean"}


class Real(_Type):
    """A finite number from `least` to `most`."""

    kinds, kind, plain, expected = (int, float), "number", float, "a number"

    def __init__(self, least, most, note=None):
        self.least, self.most, self.note = least, most, note

    def admit(self, value, field=""):
        if isinstance(value, bool) or not isinstance(value, self.kinds):
            raise Malformed(field, "is {0}, not {1}".format(named(value), self.expected))
        # Written so that NaN fails too.
        if not self.least <= value <= self.most:
            raise Malformed(field, "is not between {0} and {1}".format(self.least, self.most))
        return int.__int__(value) if isinstance(value, int) else float(value)

    def rules(self):
        return {"type": self.kind, "minimum": self.least, "maximum": self.most}


class Whole(Real):
    """An integer from `least` to `most`."""

    kinds, kind, expected = (int,), "integer", "an integer"


class Scalar(_Type):
    """A string, a finite number, a boolean or null."""

    def __init__(self, note=None):
        self.note = note

    def admit(self, value, field=""):
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return Real(-1e30, 1e30).admit(value, field)
        return Text(320).admit(value, field)

    def rules(self):
        return {"type": ["string", "number", "boolean", "null"]}


class Nullable(_Type):
    def __init__(self, of):
        self.of, self.note = of, of.note

    def admit(self, value, field=""):
        return None if value is None else self.of.admit(value, field)

    def rules(self):
        return {"anyOf": [self.of.rules(), {"type": "null"}]}


class Items(_Type):
    """A list of at most `most` values of one type."""

    def __init__(self, of, most, note=None):
        self.of, self.most, self.note = of, most, note

    def admit(self, value, field=""):
        if not isinstance(value, list):
            raise Malformed(field, "is {0}, not a list".format(named(value)))
        if len(value) > self.most:
            raise Malformed(field, "has more than {0} entries".format(self.most))
        return [self.of.admit(one, "{0}[{1}]".format(field, i)) for i, one in enumerate(value)]

    def fit(self, value, field="", dropped=None):
        if not isinstance(value, list):
            return _Type.fit(self, value, field, dropped)
        places = enumerate(value[: self.most])
        fitting = [self.of.fit(one, "{0}[{1}]".format(field, i), dropped) for i, one in places]
        return [one for one in fitting if one is not None]

    def rules(self):
        return {"type": "array", "maxItems": self.most, "items": self.of.schema()}


class Map(_Type):
    """An object whose keys are data: at most `most` of them, all values of one type."""

    def __init__(self, of, most, key_most=64, note=None):
        self.of, self.most, self.note = of, most, note
        self.key = Text(key_most)

    def admit(self, value, field=""):
        _need_object(value, field)
        if len(value) > self.most:
            raise Malformed(field, "has more than {0} keys".format(self.most))
        admitted = {}
        for name, one in value.items():
            key = self.key.admit(name, "a key of " + field)
            admitted[key] = self.of.admit(one, at(field, key))
        return admitted

    def fit(self, value, field="", dropped=None):
        if not isinstance(value, dict):
            return _Type.fit(self, value, field, dropped)
        fitting = {}
        for key in sorted(key for key in value if isinstance(key, str))[: self.most]:
            one = self.of.fit(value[key], at(field, key), dropped)
            name = self.key.fit(key, "a key of " + field, dropped)
            if name is not None and one is not None:
                fitting[name] = one
        return fitting

    def rules(self):
        return {
            "type": "object",
            "maxProperties": self.most,
            "propertyNames": {"maxLength": self.key.most},
            "additionalProperties": self.of.schema(),
        }


class Record(_Type):
    """An object with these fields. `required` ones must be present; unknown ones are refused."""

    def __init__(self, fields, required=(), note=None):
        self.fields, self.required, self.note = fields, required, note

    def admit(self, value, field=""):
        _need_object(value, field)
        for key in self.required:
            if key not in value:
                raise Malformed(at(field, key), "is missing")
        admitted = {}
        for key, one in value.items():
            if key not in self.fields:
                name = key if isinstance(key, str) else named(key)
                raise Malformed(at(field, name), "is not a known field")
            admitted[str.__str__(key)] = self.fields[key].admit(one, at(field, key))
        return admitted

    def fit(self, value, field="", dropped=None):
        if not isinstance(value, dict):
            return _Type.fit(self, value, field, dropped)
        fitting = {}
        for key, kind in self.fields.items():
            one = kind.fit(value.get(key), at(field, key), dropped)
            # Of these types null is a value, not one that does not conform.
            if one is not None or (key in value and isinstance(kind, (Nullable, Scalar))):
                fitting[key] = one
        if any(key not in fitting for key in self.required):
            return None
        return fitting

    def rules(self):
        rules = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: kind.schema() for key, kind in self.fields.items()},
        }
        if self.required:
            rules["required"] = list(self.required)
        return rules


def _need_object(value, field):
    if not isinstance(value, dict):
        raise Malformed(field, "is {0}, not an object".format(named(value)))
