"""Rules from files: shipped ones and the user's own, checked before any is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from consilience.clinic.rules.rule import Rule
from consilience.clinic.rules.ruleset import RuleSet
from consilience.clinic.rules.valuesets import ValueSets, read_value_sets
from consilience.clinic.rules.yaml_files import validated, yaml_of
from consilience.errors import InputError, suggestion

SHIPPED = Path(__file__).parent / "shipped"
VALUE_SETS = "valuesets.yaml"
VIGNETTES = ".vignettes.yaml"
MOST_FILES = 2000


def files_in(folder: Path, pattern: str = "*.yaml") -> list[Path]:
    """Return the files of a folder of rules, in order of their paths.

    Raises
    ------
    InputError
        If there is no such folder, or it holds more files than rules can be.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder of rules.")
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    if len(found) > MOST_FILES:
        raise InputError(
            f"{folder} holds more than {MOST_FILES} files; name the rules' own folder."
        )
    return found


def read_rule(file: Path, sets: ValueSets) -> Rule:
    """Read one rule and check everything that it names.

    Raises
    ------
    InputError
        Naming file, rule and key.
    """
    rule = validated(Rule, yaml_of(file), file)
    for name, key in rule.sets():
        if name not in sets:
            hint = suggestion(name, sets.sets) or f" Describe it in a {VALUE_SETS} beside the rule."
            raise InputError(f"{file}, rule {rule.id!r}, key {key}: no value set {name!r}.{hint}")
    return rule


def load_rules(folders: Sequence[Path] = (), *, shipped: bool = True) -> RuleSet:
    """Load the shipped rules and the user's own.

    Parameters
    ----------
    folders : sequence of Path
        Folders of the user's own: ``*.yaml`` a rule a file, beside it
        ``*.vignettes.yaml``, and ``valuesets.yaml`` for value sets of his own.
    shipped : bool
        Whether those that come with this package are used too.

    Returns
    -------
    RuleSet

    Raises
    ------
    InputError
        If a file cannot be used; in one sentence naming file, rule and key.

    Examples
    --------
    >>> from consilience.clinic.rules import load_rules
    >>> rules = load_rules()
    >>> rules["metformin-low-egfr"].source.organisation
    'European Medicines Agency'
    """
    roots = ((SHIPPED,) if shipped else ()) + tuple(Path(folder) for folder in folders)
    files = [file for root in roots for file in files_in(root)]
    sets_files = [file for file in files if file.name == VALUE_SETS]
    if SHIPPED / VALUE_SETS not in sets_files:
        sets_files.insert(0, SHIPPED / VALUE_SETS)
    sets = read_value_sets(tuple(sets_files))
    rules: dict[str, tuple[Rule, Path]] = {}
    for file in files:
        if file.name == VALUE_SETS or file.name.endswith(VIGNETTES):
            continue
        rule = read_rule(file, sets)
        if rule.id in rules:
            raise InputError(
                f"{file}, rule {rule.id!r}, key id: {rules[rule.id][1]} has it already; "
                "give yours another."
            )
        rules[rule.id] = (rule, file)
    return RuleSet(tuple(rule for rule, _ in rules.values()), sets)
