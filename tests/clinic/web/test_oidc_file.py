"""The file that says who else tells us who somebody is."""

from __future__ import annotations

import pytest

from consilience.clinic.web.oidc_file import read_oidc
from consilience.errors import InputError

WHOLE = """
issuer = "https://id.example.org"
client_id = "consilience"
client_secret = "s"
tenant = "clinic-a"
roles = { physicians = "clinician", it = "administrator" }
"""


def test_what_is_said_is_read(tmp_path):
    path = tmp_path / "oidc.toml"
    path.write_text(WHOLE)
    found = read_oidc(path)
    assert (found.issuer, found.client_id) == ("https://id.example.org", "consilience")
    assert found.tenant == "clinic-a"
    assert dict(found.roles) == {"physicians": "clinician", "it": "administrator"}
    assert found.name_claim == "preferred_username"  # not said: as usual


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("issuer =", "cannot be read as TOML"),
        ('issuer = "https://x"', "does not say 'client_id'"),
        (WHOLE + 'isuer = "y"', "'isuer' is no key"),
        (WHOLE.replace('"clinic-a"', "3"), "tenant must be a text"),
        (WHOLE.replace('"administrator"', "1"), "roles must be a table"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path, text, told):
    path = tmp_path / "oidc.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=told) as raised:
        read_oidc(path)
    assert str(path) in str(raised.value)
    assert "client_secret = " not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml"):
        read_oidc(tmp_path / "nowhere.toml")
