"""Landing folders that nobody should deliver, made from a seed.

What belongs here: hostile documents, lines, files, names and places. What does not: what has to become of them
(`account.py`).

Every row starts as a valid one of its stream. Texts that stand for a person are those of `PERSONAL`: no message may
hold one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import socket
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.account import SPECS, fields

FIRST_DATE = date(2026, 3, 2)
FORMATS = ("ndjson", "ndjson.gz", "ndjson.zst", "csv", "csv.gz", "parquet")
PERSONAL = ("Kim Possible", "kim.possible@example.org", "+49 170 1234567", "203.0.113.77")
TOKEN = "canary-b1946ac9"  # stands in files outside of the landing zone, and may turn up nowhere

Doc = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """A file that was put into the landing zone."""

    path: Path
    kind: str  # of hostility
    format: str
    must_load: bool = False  # readable whatever happens


# --- documents -------------------------------------------------------------------------------------------------------

EVIL_TEXTS = (
    "'; drop table x; --",
    '"; drop table x; --',
    "'||(select 1)||'",
    "${jndi:ldap://x}",
    "{{ config() }}",
    "../../../etc/passwd",
    "..%2f..%2fetc",
    "C:\\windows\\..",
    "$where",
    "a.b.c",
    "a'b\"c",
    "%s%n%x",
    "\\",
    "\\'",
    "@docs @stored @latest @keyed_hash",
    "{} {0} {name}",
    "e\u0301\u0301",
    "\u202egnp.exe",
    "\u200b",
    "\ufeff",
    "\u2028\u2029\u0085",
    "ﬁ Ⅷ ℌ",
    "admin\u0430",
    "\U0001f926\U0001f3fc\u200d\u2642\ufe0f",
    "NULL",
    "null",
    "NaN",
    "-0",
    "1e999",
    "0x10",
    "true",
    "[]",
    "{}",
    " ",
    "\t",
    "x" * 128,
    "é" * 128,
    *PERSONAL,
)
CONTROL_TEXTS = ("\x00", "a\x00b", "\x1b[31m", "\x7f", "\x85", "\r\n", "\n")
NUMBERS = (
    *("0", "-0", "1.0", "5.0", "1e0", "1E+2", "1.10", "-1", "0.5", "1.5", "100", "100.0000001", "99.9"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e400", "-1e400"),
    *("1e-400", "0.1234567890123456789", "123456789012345678901234567890", "9" * 400, "0." + "0" * 400 + "1"),
    *("1.0000000000000000000000001", "5.000000000000000000000000001"),
)
TIMES = (
    *("2026-03-02T10:00:00Z", "2026-03-02t10:00:00Z", "2026-03-02 10:00:00", "2026-03-02T10:00:00.123456789Z"),
    *("2026-03-02T10:00:00+02:00", "2026-03-02T10:00:00-23:59", "2000-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z"),
    *(
        "2026-03-02T10:00:00z",
        "2026-03-02T10:00Z",
        "2026-3-2T10:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-02-30T00:00:00Z",
    ),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "20260302T100000Z"),
    *("2026-03-02T10:00:60Z", "2026-03-02T10:00:00+24:00", "2026-03-02T10:00:00+0200", " 2026-03-02T10:00:00Z"),
    *("2026-03-02T10:00:00.Z", "2026-03-02T10:00:00.1234567890Z", "٢٠٢٦-03-02T10:00:00Z", "-2026-03-02T10:00:00Z"),
    *(
        "+2026-03-02T10:00:00Z",
        "2026-03-02  10:00:00",
        "2026-W10-1T10:00:00Z",
        "epoch",
        "now",
        "infinity",
        "1772445600",
    ),
)


def limits(day: date) -> tuple[str, ...]:
    """Instants at the limits of an extract date."""
    end = datetime(day.year, day.month, day.day) + timedelta(days=2)
    return (f"{end.isoformat()}Z", f"{end.isoformat()}.000001Z", f"{(end - timedelta(hours=1)).isoformat()}-01:00")


class Raw(str):
    """A text of JSON that goes into a document as it is."""


def dump(value: Any, rng: random.Random | None = None) -> str:
    """JSON text; with a generator in an odd but valid spelling."""
    if isinstance(value, Raw):
        return str(value)
    space = "" if rng is None else rng.choice(["", "", " ", "\t", "  "])
    if isinstance(value, dict):
        members = [f"{space}{dump(name, rng)}{space}:{space}{dump(item, rng)}" for name, item in value.items()]
        return "{" + ",".join(members) + space + "}"
    if isinstance(value, list):
        return "[" + ",".join(f"{space}{dump(item, rng)}" for item in value) + "]"
    if isinstance(value, str) and rng is not None and rng.random() < 0.1:
        units = value.encode("utf-16-be", "surrogatepass")
        return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)) + '"'
    return json.dumps(value, ensure_ascii=rng is None or rng.random() < 0.5)


class Maker:
    """Makes rows of one stream and date."""

    def __init__(self, rng: random.Random, system: str, stream: str, day: date) -> None:
        self.rng, self.day = rng, day
        self.spec = SPECS[system, stream]

    def uuid(self) -> str:
        made = str(uuid.UUID(int=self.rng.getrandbits(128)))
        return made.upper() if self.rng.random() < 0.1 else made

    def time(self) -> str:
        second = self.rng.randrange(86_400)
        return f"{self.day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"

    def good(self, kind: str) -> Any:
        """A valid value of a type."""
        rng = self.rng
        match kind:
            case "uuid":
                return self.uuid()
            case "id":
                return rng.choice([f"k-{rng.getrandbits(60)}", f"{rng.choice(EVIL_TEXTS[:16])}{rng.getrandbits(40)}"])
            case "int" | "num" | "numtext":
                return rng.choice([1, 1, 1, Raw("1")])
            case "bool":
                return rng.random() < 0.5
            case "ts":
                return self.time()
            case "uuids" | "list":
                return [self.uuid() for _ in range(rng.randrange(3))]
            case "object":
                return {}
        return rng.choice(EVIL_TEXTS)

    def event(self) -> Doc:
        """A valid document."""
        rng, spec = self.rng, self.spec
        kind = rng.choice(sorted(spec.types)) if spec.types else ""
        references, inner = spec.types.get(kind, ("", ""))
        doc: Doc = {}
        for f in fields(spec.envelope):
            if f.name == spec.type_field:
                doc[f.name] = kind
            elif f.name == spec.payload:
                payload = {g.name: self.good(g.kind) for g in fields(inner) if g.required or rng.random() < 0.5}
                if payload or f.required or rng.random() < 0.5:
                    doc[f.name] = payload
            elif f.required or f.name in references.split() or rng.random() < 0.4:
                doc[f.name] = self.good(f.kind)
        return doc

    def document(self) -> Doc:
        """A document that may be hostile."""
        if not self.spec.batch:
            return self.spoilt(self.event(), self.spec.envelope)
        rng = self.rng
        count = rng.choice([0, 1, 2, 3, 50, 51]) if rng.random() < 0.3 else rng.randrange(1, 6)
        events: list[Any] = [self.spoilt(self.event(), self.spec.envelope) for _ in range(count)]
        if rng.random() < 0.1:
            events.insert(0, rng.choice([None, 5, "x", [], {}, [[]], {"client_ts": "9999-01-01T00:00:00Z"}]))
        batch = {f.name: self.good(f.kind) for f in fields(self.spec.batch)} | {"events": events}
        return self.spoilt(batch, self.spec.batch) if rng.random() < 0.2 else batch

    def spoilt(self, doc: Doc, envelope: str) -> Doc:
        """The document, with something odd or wrong in two of three cases."""
        rng = self.rng
        if rng.random() < 0.35:
            return doc
        known = fields(envelope)
        name = rng.choice([f.name for f in known])
        payload = doc.get(self.spec.payload or "")
        place = payload if isinstance(payload, dict) and rng.random() < 0.5 else doc
        if place is not doc:
            _, inner = self.spec.types[doc[self.spec.type_field or ""]]
            name = rng.choice([f.name for f in fields(inner)] or ["odd"])
        match rng.randrange(9):
            case 0:
                place.pop(name, None)
            case 1:
                place[name] = None
            case 2:
                place[name] = rng.choice(EVIL_TEXTS)
            case 3:
                place[name] = rng.choice(CONTROL_TEXTS)
            case 4:
                place[name] = Raw(rng.choice(NUMBERS))
            case 5:
                place[name] = rng.choice([True, False, [], {}, [1], {"a": 1}, [[[]]], "", "30", "{}", "[]"])
            case 6:
                times = [f.name for f in known if f.kind == "ts"] or [name]
                doc[rng.choice(times)] = rng.choice([*TIMES, *limits(self.day)])
            case 7:
                place[rng.choice(EVIL_TEXTS + CONTROL_TEXTS)] = rng.choice([1, None, "x", [1], {"\x00": "\x00"}])
            case 8:
                size = rng.choice([1000, 4080, 4085, 4086, 4087, 4088, 4096, 4097, 20_000])
                place["pad"] = rng.choice(["y", "é", "\\", '"'])[0] * size
        return doc

    def line(self) -> bytes:
        """A line of NDJSON."""
        rng = self.rng
        text = dump(self.document(), rng if rng.random() < 0.3 else None)
        if rng.random() < 0.85:
            return text.encode()
        match rng.randrange(12):
            case 0:
                return text.encode()[: rng.randrange(len(text))]
            case 1:
                at = rng.randrange(len(text))
                return text.encode()[:at] + bytes([rng.randrange(256)]) + text.encode()[at:]
            case 2:
                return rng.choice([b"", b" ", b"\t", b"\r", b" \r", b"\x0b", b"\x00", b"\xc2\xa0", b"\xff"])
            case 3:
                return (rng.choice(["[", '{"a":', '{"a":[']) * rng.choice([5, 500, 100_000])).encode()
            case 4:
                deep = rng.choice([5, 500, 20_000])
                return f'{text[:-1]},"deep":{"[" * deep}{"]" * deep}}}'.encode()
            case 5:
                name, value = rng.choice(
                    [("NaN", "NaN"), ("x", "Infinity"), ("y", "-Infinity"), ("z", "nan"), ("w", "01")]
                )
                return f'{text[:-1]},"{name}":{value}}}'.encode()
            case 6:
                return (
                    text[:-1] + rng.choice([",}", "} {}", "}}", "}x", "},", ',"a":"\\ud800"}', ',"a":"\\u12"}'])
                ).encode()
            case 7:  # of a repeated key the first counts
                return ("{" + text[1:-1] + "," + text[1:-1].replace("2026", "1026") + "}").encode()
            case 8:
                return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"])).replace(b"\n", b"")
            case 9:
                return b"\xef\xbb\xbf" + text.encode()
            case 10:
                return rng.choice([b"[]", b"null", b"5", b'"text"', b"{}", b'{"":""}', b"[{}]", b"true"])
            case _:
                return text.encode().replace(b'"', b"'") if rng.random() < 0.5 else text.encode() * 2


# --- content ---------------------------------------------------------------------------------------------------------


def ndjson(maker: Maker) -> bytes:
    """Lines, with an odd end now and then."""
    rng = maker.rng
    lines = [maker.line() for _ in range(rng.randrange(1, 40))]
    end = rng.choice([b"\n", b"\n", b"\r\n", b"\n\n", b"\r\r\n"])
    text = end.join(lines) + rng.choice([b"", end, b"\r", b"\n \n", b"\x00"])
    return rng.choice([b"", b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xff\xfe", b"\n"]) + text


def table(maker: Maker, count: int) -> list[Doc]:
    """Documents as rows of cells: what is structured becomes JSON text."""
    rows = []
    for _ in range(count):
        row = {}
        for name, value in maker.document().items():
            text = value if isinstance(value, str) else dump(value)
            row[name] = "" if value is None else text
        rows.append(row)
    return rows


def csv_text(maker: Maker) -> bytes:
    """Records, some with quotes, separators and line ends where they hurt."""
    rng = maker.rng
    rows = table(maker, rng.randrange(1, 25))
    names = [f.name for f in fields(maker.spec.batch or maker.spec.envelope)]
    names += sorted({name for row in rows for name in row if name not in names})
    rng.shuffle(names)
    names = list(dict.fromkeys(names))
    out = io.StringIO(newline="")
    end = rng.choice(["\n", "\r\n"])
    quoting: Any = rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
    writer = csv.DictWriter(out, names, lineterminator=end, quoting=quoting, restval="")
    writer.writeheader()
    writer.writerows({name: text.encode(errors="replace").decode() for name, text in row.items()} for row in rows)
    lines = out.getvalue().encode(errors="replace").split(b"\n")
    for _ in range(rng.choice([0, 0, 1, 3])):
        odd = "".join(rng.choice('ab,"\r é\x00;') for _ in range(rng.randrange(12)))
        lines.insert(rng.randrange(1, len(lines) + 1), odd.encode())
    text = b"\n".join(lines)
    return (
        rng.choice([b"", b"", b"", b"\xef\xbb\xbf", b"\n", b"\xff\xfe"])
        + text
        + rng.choice([b"", b'"', b"\r", b'\n"a'])
    )


ODD_COLUMNS: tuple[Callable[[int], pa.Array], ...] = (
    lambda n: pa.array([1.5, float("nan"), float("inf"), None][:n] * n, pa.float64())[:n],
    lambda n: pa.array([b"\xff\x00", b"x", None] * n, pa.binary())[:n],
    lambda n: pa.array([1, None] * n, pa.uint64())[:n],
    lambda n: pa.array([date(1, 1, 1), date(9999, 12, 31)] * n)[:n],
    lambda n: pa.array([0, 2**62, -(2**62)] * n, pa.int64()).cast(pa.timestamp("us", "UTC"))[:n],
    lambda n: pa.array([0, 2**61] * n, pa.int64()).cast(pa.timestamp("ns"))[:n],
    lambda n: pa.array([0, 86_399_999_999] * n, pa.time64("us"))[:n],
    lambda n: pa.array([0, -1] * n, pa.duration("us"))[:n],
    lambda n: pa.array([Decimal("1.5"), None] * n, pa.decimal128(38, 10))[:n],
    lambda n: pa.array([Decimal("1.5"), None] * n, pa.decimal256(60, 10))[:n],
    lambda n: pa.array([{"a": 1, "b": None}, None] * n, pa.struct({"a": pa.int8(), "b": pa.string()}))[:n],
    lambda n: pa.array([[("k", [1])], None] * n, pa.map_(pa.string(), pa.list_(pa.int8())))[:n],
    lambda n: pa.array([[["x", None], []], None] * n, pa.list_(pa.list_(pa.string())))[:n],
    lambda n: pa.array(["a", "b"] * n).dictionary_encode()[:n],
    lambda n: pa.nulls(n),
    lambda n: pa.array([b"0" * 16] * n, pa.binary(16)),
    lambda n: pa.array([1.0] * n, pa.float16()) if n else pa.nulls(0),
)


def parquet(maker: Maker) -> bytes:
    """A file of texts, and in one of two cases with columns of other types or odd names."""
    rng = maker.rng
    rows = table(maker, rng.randrange(1, 25))
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, pa.Array] = {}
    for name in names:
        if name.lower() not in {known.lower() for known in columns} and "\x00" not in name:
            columns[name] = pa.array([row.get(name) or None for row in rows], pa.string())
    if rng.random() < 0.5:
        for _ in range(rng.randrange(1, 4)):
            name = rng.choice([*columns, "odd", "a.b", "", "filename", "file_row_number", *EVIL_TEXTS[:8], "x\x00y"])
            columns[name] = rng.choice(ODD_COLUMNS)(len(rows))
    out = io.BytesIO()
    options = {"compression": rng.choice(["snappy", "zstd", "none", "gzip"]), "use_dictionary": rng.random() < 0.5}
    pq.write_table(pa.table(columns), out, row_group_size=rng.choice([1, 5, 100]), **options)
    return out.getvalue()


def flipped(rng: random.Random, content: bytes) -> bytes:
    """The content with some bytes of it changed."""
    out = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if out:
            out[rng.randrange(len(out))] = rng.choice([0, 255, 10, 34, rng.randrange(256)])
    return bytes(out)


def torn(rng: random.Random, content: bytes) -> bytes:
    """The content up to somewhere, or from somewhere on, or with a piece twice."""
    at = rng.randrange(len(content) + 1)
    return rng.choice([content[:at], content[at:], content[:at] + content[at // 2 :]])


def packed(rng: random.Random, content: bytes, suffix: str) -> bytes:
    """The content as a file of that format; of several members now and then."""
    cut = rng.randrange(len(content) + 1) if rng.random() < 0.3 else len(content)
    parts = [content[:cut], content[cut:]] if cut < len(content) else [content]
    if suffix.endswith(".gz"):
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    if suffix.endswith(".zst"):
        return b"".join(pa.Codec("zstd").compress(part, asbytes=True) for part in parts)
    return content


# --- folders ---------------------------------------------------------------------------------------------------------


class Folder:
    """Writes a landing zone of some dates of every system."""

    def __init__(self, seed: int, landing: Path, outside: Path) -> None:
        self.rng = random.Random(seed)
        self.landing, self.outside = landing, outside
        self.made: list[Made] = []

    def write(self) -> list[Made]:
        """Write it; what was made, whether it is to be found or not."""
        rng = self.rng
        self.landing.mkdir(parents=True)
        for system, stream in rng.sample(sorted(SPECS), 5):
            day = FIRST_DATE + timedelta(days=rng.randrange(2))
            for part in range(rng.choice([1, 2, 3, 5])):
                self.file(system, stream, day, part)
        for _ in range(4):
            rng.choice(PLACES)(self)
        if rng.random() < 0.6:
            rng.choice(MANIFESTS)(self)
        return self.made

    def folder(self, system: str = "study", day: date = FIRST_DATE) -> Path:
        folder = self.landing / system / str(day)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def file(self, system: str, stream: str, day: date, part: int) -> None:
        rng = self.rng
        suffix = rng.choice(FORMATS)
        maker = Maker(rng, system, stream, day)
        make = {"n": ndjson, "c": csv_text, "p": parquet}[suffix[0]]
        content = make(maker)
        kind = "rows"
        if suffix != "parquet" and rng.random() < 0.15:
            kind = rng.choice(["flipped text", "torn text", "noise"])
            content = {"f": flipped, "t": torn}[kind[0]](rng, content) if kind != "noise" else rng.randbytes(500)
        content = packed(rng, content, suffix)
        if (suffix == "parquet" or "." in suffix) and rng.random() < 0.25:
            kind = rng.choice(["flipped file", "torn file", "other format", "trailing", "empty"])
            if kind in ("flipped file", "torn file"):
                content = (flipped if kind[0] == "f" else torn)(rng, content)
            else:
                other = packed(rng, content, rng.choice([".gz", ".zst"]))
                content = {"o": other, "t": content + rng.randbytes(9), "e": b""}[kind[0]]
        name = f"{stream}{'' if part == 0 else rng.choice(NAMES)}.{suffix}"
        self.put(self.folder(system, day) / name, content, kind, must_load=kind == "rows" and suffix[0] == "n")

    def put(self, path: Path, content: bytes, kind: str, must_load: bool = False) -> Path:
        path.write_bytes(content)
        self.made.append(Made(path, kind, _format(path), must_load))
        return path

    def place(self, name: str, kind: str) -> Path:
        """A place in the study's first folder for something that is no file of its own."""
        path = self.folder() / name
        self.made.append(Made(path, kind, _format(path)))
        return path

    def free(self) -> str:
        return f"events-{self.rng.getrandbits(30)}{self.rng.choice(['.ndjson', '.csv', '.parquet', '.ndjson.gz'])}"


NAMES = (
    *("-2", "-..", "-...a", "-'; drop table x; --", '-"', "-a b", "-*", "-[a-z]?", "-%2e%2e%2f", "-%", "-#?x=1", "-\\"),
    *("-\u0430", "-e\u0301", "-\u202e", "-a\nb", "-a\tb", "-" + "x" * 200, "-{a,b}", "-$HOME", "-`id`", "-~", "-é"),
    *("-.parquet", "-x.tmp.y", "-\x7f", "-\x1b[2J"),
)


def _format(path: Path) -> str:
    return next((f for f in sorted(FORMATS, key=len, reverse=True) if path.name.endswith(f".{f}")), "none")


def link_out(f: Folder) -> None:
    f.place(f.free(), "link out").symlink_to(f.outside / "rows.ndjson")


def link_to_device(f: Folder) -> None:
    f.place(f.free(), "link to a device").symlink_to(f.rng.choice(["/dev/zero", "/dev/stdin", "/dev/full"]))


def link_into_home(f: Folder) -> None:
    target = f.rng.choice(["../../../secret.key", "../../../work/writer.lock", "../../../lake", "/etc/passwd"])
    f.place(f.free(), "link into the home").symlink_to(target)


def link_to_nothing(f: Folder) -> None:
    path = f.place(f.free(), "link to nothing")
    path.symlink_to(f.rng.choice(["nothing", path.name, str(path)]))


def link_inside(f: Folder) -> None:
    inside = [made for made in f.made if made.path.is_file() and "events" in made.path.name and made.format != "none"]
    if inside:
        target = f.rng.choice(inside)
        path = f.folder("study", FIRST_DATE + timedelta(days=5)) / f"events.{target.format}"
        if not path.is_symlink():
            path.symlink_to(target.path)
            f.made.append(Made(path, "link inside", target.format))


def system_link(f: Folder) -> None:
    path = f.landing / "textbook"
    if not path.exists():
        path.symlink_to(f.outside / "system")
    elif not (f.landing / "other").is_symlink():
        (f.landing / "other").symlink_to(f.outside)


def date_link(f: Folder) -> None:
    path = f.landing / f.rng.choice(["study", "textbook"]) / "2026-04-01"
    if path.parent.is_dir() and not path.is_symlink() and not path.parent.is_symlink():
        path.symlink_to(f.outside / "system" / "2026-03-02")


def pipe(f: Folder) -> None:
    os.mkfifo(f.place(f.free(), "pipe"))


def plug(f: Folder) -> None:
    """A socket; where its path is too long for one, a pipe."""
    path = f.place(f.free(), "socket")
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.bind(str(path))
        except OSError:
            os.mkfifo(path)


def directory(f: Folder) -> None:
    (f.place(f.free(), "directory") / "events.ndjson").mkdir(parents=True)


def other_names(f: Folder) -> None:
    for name in ("events.ndjson.tmp", "events.csv.part", "EVENTS.ndjson", ".ndjson", "events.ndjson~", "…", "e\nvents"):
        (f.folder() / name).write_text(f"{TOKEN}\n")
    for name in (b"other-\xff", b"events-\xfe.ndjson"):
        Path(os.fsdecode(os.fsencode(f.folder()) + b"/" + name)).write_bytes(b"{}\n")
    for name in ("2026-13-01", "0001-01-01", "9999-12-31", "2026-3-2", "x'; --", "２０２６-03-02", "0000-00-00"):
        (f.landing / "study" / name).mkdir(exist_ok=True)
    (f.landing / "stu\ndy").mkdir(exist_ok=True)
    (f.landing / "study" / "2026-05-01").write_text("x")


PLACES: tuple[Callable[[Folder], None], ...] = (
    *(link_out, link_to_device, link_into_home, link_to_nothing, link_inside, system_link, date_link, pipe, plug),
    *(directory, other_names),
)


# --- manifests -------------------------------------------------------------------------------------------------------


def manifest(f: Folder, content: bytes | None) -> Path:
    path = f.landing / "recommendation" / str(FIRST_DATE) / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    return path


def manifest_values(f: Folder) -> None:
    """One thing in it is not what it should be."""
    good = {"name": "events.ndjson", "rows": 0, "sha256": "0" * 64}
    odd: Iterable[Any] = (
        None,
        -1,
        1.5,
        Raw("1e5"),
        True,
        "",
        "x",
        [],
        {},
        "../x",
        "..",
        "a\x00b",
        "\ud800",
        Raw("9" * 5000),
    )
    entry = good | {f.rng.choice(["name", "rows", "sha256", "more"]): f.rng.choice(list(odd))}
    document = f.rng.choice([[entry], [entry, entry], {"files": entry}, {"files": [[entry]]}, {"files": [entry, good]}])
    text = dump(document if isinstance(document, dict) else {"files": document})
    encoding = f.rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])
    manifest(f, text.encode(encoding, "backslashreplace"))


def manifest_noise(f: Folder) -> None:
    noise = [b"", b"\xff", b"{", b"[" * 50_000, b'{"files":[', b"NaN", b"\x00", b'{"files":[],"files":[]}', b"5"]
    manifest(f, f.rng.choice([*noise, f.rng.randbytes(200)]))


def manifest_place(f: Folder) -> None:
    path = manifest(f, None)
    match f.rng.randrange(5):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to(f.outside / "manifest.json")
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.mkdir()
        case _:
            path.symlink_to("nowhere")


MANIFESTS: tuple[Callable[[Folder], None], ...] = (manifest_values, manifest_noise, manifest_place)
