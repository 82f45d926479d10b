"""Prometheus' text format is read exactly or refused, whatever stands in it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.collectors import exposition
from agent.collectors.exposition import Malformed, Sample, parse

# The example of the format's documentation, and what exporters really write.
DOCUMENTED = rb"""
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# A histogram, which has a pretty complex representation in the text format:
# HELP http_request_duration_seconds A histogram of the request duration.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# Finally a summary, which has a complex representation, too:
# HELP rpc_duration_seconds A summary of the RPC duration in seconds.
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
"""


def gauge(line: str) -> list[Sample]:
    return parse(f"# TYPE g gauge\n{line}\n".encode())


def test_of_the_documented_example_the_counters_are_taken() -> None:
    assert parse(DOCUMENTED) == [
        Sample("http_requests_total", {"method": "post", "code": "200"}, "counter", Decimal(1027)),
        Sample("http_requests_total", {"method": "post", "code": "400"}, "counter", Decimal(3)),
    ]


def test_escapes_in_labels_are_what_they_stand_for() -> None:
    (sample,) = gauge(r'g{path="C:\\DIR\\n",text="a \"b\"\nc",brace="}{,=#"} 1')
    assert sample.labels == {"path": "C:\\DIR\\n", "text": 'a "b"\nc', "brace": "}{,=#"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("+1.50", "1.50"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.234567890123456789e+12", "1234567890123.456789"),
        ("9007199254740993", "9007199254740993"),
        ("-0", "0"),
        ("1e-400", "1e-400"),
        ("1E999999999", "1e999999999"),
    ],
)
def test_values_are_exactly_what_was_written(text: str, value: str) -> None:
    assert gauge(f"g {text}")[0].value == Decimal(value)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "nan", "Inf", "infinity"])
def test_what_is_no_number_is_left_out(text: str) -> None:
    assert gauge(f"g {text}") == []


def test_blanks_are_free_between_the_parts() -> None:
    (sample,) = gauge('\t g \t{ a = "1" , b="2" , }\t 5 \t -1 ')
    assert sample.labels == {"a": "1", "b": "2"}
    assert sample.value == 5


def test_a_metric_without_a_type_is_neither_counter_nor_gauge() -> None:
    assert parse(b"x 1\n# TYPE y untyped\ny 1\n") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"# TYPE g gauge\ng 1", "line 2: the text ends within it"),
        (b"\xff 1\n", "not UTF-8"),
        (b"1g 1\n", "line 1: it begins with no name"),
        (b"g\n", "a blank or { follows"),
        (b"g-x 1\n", "a blank or { follows"),
        (b"g \n", "a blank or { follows"),
        (b"g{} \n", "the value is no number"),
        (b"g x\n", "the value is no number"),
        (b"g 0x10\n", "the value is no number"),
        (b"g 1_000\n", "the value is no number"),
        (b"g 1e\n", "the value is no number"),
        ("g ١\n".encode(), "the value is no number"),
        (b"g 1\r\n", "the value is no number"),
        ("g\u00a01\n".encode(), "a blank or { follows"),
        (b"g 1 1.5\n", "the timestamp"),
        (b"g 1 2 3\n", "at most a timestamp"),
        (b'g{a="1" 1\n', ", or } is missing"),
        (b'g{a="1"b="2"} 1\n', ", or } is missing"),
        (b"g{a=1} 1\n", "not in quotes"),
        (b'g{a="1} 1\n', "not in quotes"),
        (b'g{a="\\"} 1\n', "not in quotes"),
        (b'g{a="\\t"} 1\n', "are escapes"),
        (b'g{a"1"} 1\n', "= is missing"),
        (b'g{,a="1"} 1\n', "a label has no name"),
        (b'g{a="1",a="2"} 1\n', "a label is given twice"),
        (b"g{", "ends within it"),
        (b'g{a="1"} 1\ng{a="1"} 2\n', "line 2: the same series"),
        (b"# TYPE g gauge\n# TYPE g counter\n", "line 2: the type"),
        (b"# TYPE g speedometer\n", "unknown type"),
        (b"# TYPE g\n", "TYPE is followed by"),
        (b"g 1 " + b" " * exposition.LINE_BYTES_MAX + b"\n", "longer than"),
    ],
)
def test_a_text_with_one_bad_line_is_refused_and_the_line_named(text: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(text)
    assert reason in str(refused.value)


def test_too_many_samples_and_labels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "SAMPLES_MAX", 2)
    with pytest.raises(Malformed, match="line 3: more than 2 samples"):
        parse(b"a 1\nb 1\nc 1\n")
    labels = ",".join(f'l{n}="x"' for n in range(exposition.LABELS_MAX + 1))
    with pytest.raises(Malformed, match="labels"):
        parse(f"g{{{labels}}} 1\n".encode())


_label_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_samples = st.dictionaries(
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,5}", fullmatch=True), _label_values, max_size=4
)


def written(labels: dict[str, str]) -> str:
    escaped = {k: v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for k, v in labels.items()}
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())


@given(_samples, st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_what_is_written_by_the_rules_is_read_back(labels: dict[str, str], value: Decimal) -> None:
    assert gauge(f"g{{{written(labels)}}} {value}") == [Sample("g", labels, "gauge", value)]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_an_exporter_writes_is_read_back(value: float) -> None:
    assert float(gauge(f"g {value!r}")[0].value) == value


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_read_or_refused(text: bytes) -> None:
    refused = ""
    try:
        parse(text)
    except Malformed as error:
        refused = str(error)
    assert refused.isprintable()


_pieces = st.sampled_from(
    [*'g{}=,"\\ \t\n#1.eE+-', "# TYPE g gauge\n", "a", 'a="b"', "NaN", "_sum", "\r", "ß"]
)


@given(st.lists(_pieces, max_size=25))
def test_no_arrangement_of_the_formats_pieces_does_either(pieces: list[str]) -> None:
    samples, refused = [], "line 0"
    try:
        samples = parse("".join(pieces).encode())
    except Malformed as error:
        refused = str(error)
    assert all(sample.value.is_finite() for sample in samples)
    assert refused.startswith("line ")
