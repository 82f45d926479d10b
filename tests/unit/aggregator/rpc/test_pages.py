"""Page requests and tokens: what is accepted, and that nothing a caller sends is trusted."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import Invalid
from aggregator.rpc.pages import page_info, search_text, to_paging
from aggregator.store.paging import Page, Paging, Position, contains
from ullage.v1.types_pb2 import PageRequest

SORTS = ("id", "name")
EPOCH = "1970-01-01T00:00:00+00:00"


def token(*keys: Any) -> str:
    return urlsafe_b64encode(json.dumps(keys).encode()).decode()


def test_an_empty_request_is_the_first_hundred_in_the_default_order() -> None:
    assert to_paging(PageRequest(), SORTS) == Paging(sort="id", descending=False, size=100)
    assert to_paging(PageRequest(), SORTS, descending=True).descending
    assert not to_paging(PageRequest(descending=True), SORTS, descending=True).descending
    assert not to_paging(PageRequest(sort="name"), SORTS, descending=True).descending


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (PageRequest(size=501), "page.size"),
        (PageRequest(sort="name; drop table asset"), "page.sort"),
        (PageRequest(after="%%%"), "page.after"),
        (PageRequest(after="é"), "page.after"),
        (PageRequest(after="A"), "page.after"),
        (PageRequest(after=token()), "page.after"),
        (PageRequest(after=token("id", False, "", "0", EPOCH)), "page.after"),
        (PageRequest(after=token("name", False, "", "0", EPOCH, 1)), "page.after"),
        (PageRequest(after=token("id", True, "", "0", EPOCH, 1)), "page.after"),
        (PageRequest(after=token("id", False, "\0", "0", EPOCH, 1)), "page.after"),
        (PageRequest(after=token("id", False, "", "nan", EPOCH, 1)), "page.after"),
        (PageRequest(after=token("id", False, "", "1e999999", EPOCH, 1)), "page.after"),
        (PageRequest(after=token("id", False, "", [], EPOCH, 1)), "page.after"),
        (PageRequest(after=token("id", False, "", "0", "1970-01-01", 1)), "page.after"),
        (PageRequest(after=token("id", False, "", "0", EPOCH, 2**63)), "page.after"),
        (PageRequest(after=token("id", False, "", "0", EPOCH, {})), "page.after"),
        (PageRequest(after="W1tb" * 2_001), "page.after"),
        (PageRequest(after=urlsafe_b64encode(b"[" * 1200).decode()), "page.after"),
        (PageRequest(after=urlsafe_b64encode(b"\xff\xfe").decode()), "page.after"),
    ],
)
def test_a_request_that_is_not_ours_is_refused_by_field(request_: PageRequest, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        to_paging(request_, SORTS)
    assert caught.value.field == field


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200),
    st.decimals(-(10**30), 10**30, allow_nan=False, places=12),
    st.datetimes(timezones=st.just(UTC)),
    st.integers(0, 2**63 - 1),
    st.booleans(),
)
def test_a_token_leads_back_to_where_the_page_ended(
    text: str, number: Decimal, time: datetime, row_id: int, descending: bool
) -> None:
    position = Position(text, number, time, row_id)
    paging = Paging(sort="name", descending=descending)
    info = page_info(Page([], 7, position), paging)
    assert info.total == 7
    asked = PageRequest(sort="name", descending=descending, after=info.next)
    assert to_paging(asked, SORTS).after == position


def test_the_last_page_has_no_token() -> None:
    assert page_info(Page([], 3, None), Paging(sort="id")).next == ""


def test_a_search_is_taken_literally() -> None:
    assert contains("") is None
    assert contains(r"50%_\x") == r"%50\%\_\\x%"


@pytest.mark.parametrize("text", ["x" * 201, "a\0b", "a\nb", "\x1b[31m"])
def test_a_search_for_what_no_name_contains_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        search_text(text)
    assert caught.value.field == "search"
