"""Tables of residents: whatever is sent, every wrong cell is named and nothing is lost; bands are tied."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest
import sqlalchemy as sa
from openpyxl import Workbook, load_workbook

from portal.care.models import Wearer
from portal.db import db
from portal.fields import id_number_is_valid
from portal.people import identity, wearer_links
from portal.people.join_models import ResidentImport
from portal.people.models import Resident, User
from portal.people.register_table import MOST_BYTES, MOST_ROWS, Unreadable, read_table

KEY = "secret-key-for-tests-only-0123456789"


def number(serial: int, born: str = "19500101") -> str:
    body = f"990000{born}{serial:03d}"
    return next(body + last for last in "0123456789X" if id_number_is_valid(body + last))


def table(*rows: list[str], encoding: str = "utf-8-sig") -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode(encoding)


def book(*rows: list[object]) -> bytes:
    made, out = Workbook(), io.BytesIO()
    for row in rows:
        made.active.append(row)
    made.save(out)
    return out.getvalue()


# ---------------------------------------------------------------- reading, pure


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_of_excel_in_china_is_read(encoding):
    read = read_table(table(["姓 名", "身份证号", "住址"], ["张三", "1", "3栋101"], encoding=encoding))
    assert read.columns == ["name", "id_number", "home"]
    assert read.rows == [["张三", "1", "3栋101"]]
    assert read.numbers == [2]


def test_english_headers_and_a_semicolon_are_read():
    read = read_table(b"Name;Date_of_Birth;what\nLi;1950-01-02;x\n\nWu;;\n")
    assert read.columns == ["name", "birth_date", ""]
    assert read.numbers == [2, 4], "as the spreadsheet counts, empty lines too"


def test_a_spreadsheet_is_read_with_its_dates_and_numbers():
    read = read_table(book(["姓名", "出生日期", "电话"], ["张三", dt.date(1950, 1, 2), 13800130001.0]))
    assert read.rows == [["张三", "1950-01-02", "13800130001"]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        ("姓名\n".encode(), "empty"),
        ("电话\n1\n".encode(), "header"),
        ("姓名,名字\na,b\n".encode(), "header"),
        (b"x" * (MOST_BYTES + 1), "too_big"),
        (("姓名\n" + "a\n" * (MOST_ROWS + 1)).encode(), "too_many"),
        (b"PK\x03\x04broken", "format"),
        (b"\xff\xff\xff\xff\x80", "format"),
        (b"name\0\nx\n", "format"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(data, reason):
    with pytest.raises(Unreadable) as said:
        read_table(data)
    assert said.value.reason == reason


# ---------------------------------------------------------------- taking in


def send(staff, data: bytes, name: str = "居民.csv"):
    form = {"csrf_token": staff.token(), "table": (io.BytesIO(data), name)}
    return staff.client.post("/register/import", data=form, content_type="multipart/form-data")


HEAD = ["姓名", "身份证号码", "住址", "性别", "出生日期", "电话", "标签", "备注"]


def test_a_table_is_shown_first_and_taken_in_on_a_press(app, people):
    staff = people["staff"]
    rows = [
        HEAD,
        ["钱一", number(1), "4栋1单元101", "", "", "13800130001", "独居、低保", "=1+1"],
        ["钱二", "", "4-1-102", "男", "1960/2/3", "", "", ""],
        ["张桂兰", "", "3栋2单元401", "", "", "13800130003", "", ""],
    ]
    answer = send(staff, table(*rows, encoding="gb18030"))
    page = staff.get(answer.location).text
    assert "新登记 2 人，更新 1 人，没有变化 0 人，需要修改 0 行" in page
    with app.app_context():
        assert db.session.scalar(sa.select(Resident).where(Resident.name == "钱一")) is None
        sealed = db.session.scalar(sa.select(ResidentImport.sealed))
        assert number(1) not in sealed
        old = db.session.scalar(sa.select(Resident).where(Resident.name == "张桂兰"))
        tags, born = old.tags, old.birth_date
    staff.post(answer.location + "take", right="3")
    with app.app_context():
        first = db.session.scalar(sa.select(Resident).where(Resident.name == "钱一"))
        assert (first.birth_date, first.tags) == (dt.date(1950, 1, 1), ["lives_alone", "low_income"])
        assert identity.unseal(first.id_number_sealed, secret_key=KEY) == number(1)
        assert db.session.scalar(sa.select(Resident).where(Resident.name == "钱二")).sex == "male"
        changed = db.session.scalars(sa.select(Resident).where(Resident.name == "张桂兰")).all()
        assert len(changed) == 1, "the same name in the same household is the same person"
        assert (changed[0].phone, changed[0].tags, changed[0].birth_date) == ("+8613800130003", tags, born)
        assert db.session.scalar(sa.select(sa.func.count(ResidentImport.id))) == 0
    assert "钱一" in staff.get("/register/?text=钱一").text
    assert "'=1+1" in staff.get("/register/export.csv?text=钱一").text


def test_every_wrong_cell_is_named_and_its_row_can_be_taken_away(app, people):
    staff = people["staff"]
    rows = [
        HEAD,
        ["", number(5), "", "", "", "", "", ""],
        ["错二", "123", "99栋1单元101", "未知", "1950-13-01", "12", "懒人", ""],
        ["错三", number(6), "", "", "1951-01-01", "", "", ""],
        ["好四", number(7), "", "", "", "", "", ""],
        ["重五", number(7), "", "", "", "", "", ""],
    ]
    address = send(staff, book(*rows), "居民.xlsx").location
    page = staff.get(address).text
    assert "新登记 1 人，更新 0 人，没有变化 0 人，需要修改 4 行" in page
    assert page.count('class="wrong-cell"') == 1 + 6 + 1 + 1
    assert "和第 5 行是同一个人" in page
    assert number(5) not in page, "a right number stays hidden"
    wrong = staff.get(address + "wrong.csv").data.decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(wrong)))
    assert [line[0] for line in lines[1:]] == ["", "错二", "错三", "重五"]
    assert lines[1][1] == number(5), "their own file comes back whole"
    assert all(line[-1] for line in lines[1:])
    assert staff.post(address + "take", right="9").location == address, "not what was shown"
    staff.post(address + "take", right="1")
    with app.app_context():
        names = db.session.scalars(
            sa.select(Resident.name).where(Resident.name.in_(["好四", "重五", "错三"]))
        )
        assert names.all() == ["好四"]
    again = staff.get(address).text
    assert "需要修改 4 行" in again, "nothing is lost"
    staff.post(address + "drop")
    assert staff.get(address).status_code == 404


def test_the_same_table_twice_changes_nothing_the_second_time(app, people):
    staff = people["staff"]
    data = table(HEAD, ["钱一", number(1), "4栋1单元101", "", "", "", "", ""])
    staff.post(send(staff, data).location + "take", right="1")
    assert "没有变化 1 人" in staff.get(send(staff, data).location).text


def test_a_building_an_entrance_and_a_door_may_be_columns_of_their_own(app, people):
    staff = people["staff"]
    data = table(["姓名", "楼栋", "单元", "房号"], ["钱一", "4栋", "1单元", "101"], ["钱二", "4", "1", "909"])
    address = send(staff, data).location
    assert "新登记 1 人" in staff.get(address).text
    staff.post(address + "take", right="1")
    with app.app_context():
        person = db.session.scalar(sa.select(Resident).where(Resident.name == "钱一"))
        assert person.household.code == "xinhe-b4-1-101"


def test_a_bad_file_is_said_in_words_and_nobody_else_sees_a_table(app, people):
    staff = people["staff"]
    answer = send(staff, b"PK\x03\x04broken", "x.xlsx")
    assert answer.status_code == 422
    assert "读不出这个文件" in answer.text
    address = send(staff, table(HEAD, ["钱一", "", "", "", "", "", "", ""])).location
    assert people["admin"].get(address).status_code == 404
    for role in ("resident", "grid_worker", "street", "volunteer"):
        assert people[role].get("/register/import").status_code == 404
        assert people[role].get(address).status_code == 404


def test_the_template_and_the_export_open_as_they_should(people):
    staff = people["staff"]
    header = staff.get("/register/import/template.csv").data.decode("utf-8-sig").strip().split(",")
    assert read_table(table(header, ["甲", *[""] * (len(header) - 1)])).columns.count("") == 0
    sheet = load_workbook(io.BytesIO(staff.get("/register/export.xlsx").data), read_only=True).active
    assert next(sheet.iter_rows(values_only=True))[0] == "姓名"


# ---------------------------------------------------------------- bands


def test_a_wearer_is_tied_to_the_person_at_that_home_and_lives_where_they_live(
    store_app, store_gateway, samples
):
    store_gateway.send(samples.ROSTER)
    with store_app.app_context():
        staff = db.session.scalar(sa.select(User).where(User.name == "周敏")).viewer
        wearer = db.session.scalar(sa.select(Wearer).where(Wearer.name == "张桂兰"))
        person = db.session.scalar(sa.select(Resident).where(Resident.name == "张桂兰"))
        wearer_links.link(db.session, wearer, None, by=staff, at=samples.NOW)
        assert (wearer.resident_id, wearer.place.count("/")) == (None, 4)
        wearer.home = "新河苑3栋2单元401室"
        assert wearer_links.suggestions(db.session, [wearer]) == {wearer.id: person}
        wearer_links.link(db.session, wearer, person, by=staff, at=samples.NOW)
        assert wearer.place == person.household.path
        wearer.home, wearer.birth_year = "别处", 1
        wearer_links.link(db.session, wearer, None, by=staff, at=samples.NOW)
        assert wearer_links.suggestions(db.session, [wearer]) == {}


def test_who_moves_takes_their_band_along(app, gateway, people, samples):
    gateway.send(samples.ROSTER)
    staff = people["staff"]
    with app.app_context():
        person = db.session.scalar(sa.select(Resident).where(Resident.name == "张桂兰"))
        wearer = db.session.scalar(sa.select(Wearer.id).where(Wearer.name == "张桂兰"))
    staff.post(f"/register/bands/{wearer}", resident=str(person.id))
    assert "已关联" in staff.get("/register/bands/").text
    staff.post(f"/register/{person.id}/edit", name="张桂兰", home="9栋1单元101")
    with app.app_context():
        moved = db.session.get(Wearer, wearer)
        assert moved.place == moved.resident.household.path
        assert moved.resident.household.code == "xinhe-b9-1-101"
    staff.post(f"/register/bands/{wearer}", name="没有的人")
    assert "名册里没有 没有的人" in staff.get("/register/bands/").text
    assert people["grid_worker"].get("/register/bands/").status_code == 404
