"""What machines read, held against the schemas that others publish and against a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import xmlschema
import yaml
from jsonschema import Draft4Validator, FormatChecker

from tests.core.reporting.audits import COMPARED, COMPARISON, FILES, HEADING, HOSTILE, SHOP
from tests.core.reporting.page_samples import container, problem, report, workload
from tests.e2e.tools.processes import ApiServer, etcd, kube_apiserver
from tests.e2e.tools.published import junit_schema, report_crds, sarif_schema
from webhook.core.reporting.document import ReportDocument
from webhook.core.reporting.junit import junit
from webhook.core.reporting.making import make_report
from webhook.core.reporting.policy_reports import ReportApi, policy_reports, same_findings
from webhook.core.reporting.sarif import sarif

pytestmark = pytest.mark.e2e

REPORTS = {
    "an audit": make_report(SHOP, HEADING),
    "a comparison": make_report(COMPARED, COMPARISON),
    "files": make_report(FILES, HEADING),
    "texts of attackers": make_report(HOSTILE, HEADING),
    "nothing": make_report((), HEADING),
    "incomplete": report(workload(trouble="not allowed"), complete=False, catalog_revision=None),
}
every_report = pytest.mark.parametrize("document", REPORTS.values(), ids=REPORTS)
every_api = pytest.mark.parametrize("report_api", ReportApi, ids=lambda api: api.value)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server that knows the kinds of both report APIs, and the namespaces of the reports."""
    folder = tmp_path_factory.mktemp("reports")
    with etcd(folder) as etcd_url, kube_apiserver(folder, etcd_url=etcd_url, service_accounts=False) as server:
        for crd in report_crds():
            server.kubectl("create", "-f", str(crd))
        server.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        spaces = {row.namespace for row in REPORTS["an audit"].results if row.namespace}
        server.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in spaces))
        yield server


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that allows no key that it does not name: the API server would drop it without a word."""
    inner = dict(schema)
    if "properties" in schema:
        inner["properties"] = {key: closed(value) for key, value in schema["properties"].items()}
        inner.setdefault("additionalProperties", False)
    if "items" in schema:
        inner["items"] = closed(schema["items"])
    return inner


def violations(value: object, schema: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """Return what a value violates, formats included."""
    validator = Draft4Validator(schema, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def definitions() -> list[Any]:
    """Return the definitions of the four kinds."""
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in report_crds()]


def as_list(*objects: object) -> str:
    """Return several objects as one document for kubectl."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


@every_report
def test_sarif_fits_its_schema(document: ReportDocument) -> None:
    """Every report is SARIF 2.1.0 as OASIS defines it."""
    assert violations(json.loads(json.dumps(sarif(document, tool_version="1.2.3"))), sarif_schema()) == []


def test_the_schema_of_sarif_can_be_violated() -> None:
    """A log without runs, and one with a level that does not exist, are found out."""
    log = sarif(REPORTS["an audit"], tool_version="1.2.3")
    log["runs"][0]["results"][0]["level"] = "fatal"

    assert len(violations({"version": "2.1.0"}, sarif_schema())) == 1
    assert ["'fatal' is not one of" in one for one in violations(log, sarif_schema())] == [True]


@every_report
def test_junit_fits_its_schema(document: ReportDocument) -> None:
    """Every report is JUnit XML as Jenkins defines it."""
    schema = xmlschema.XMLSchema(junit_schema())

    assert [error.reason for error in schema.iter_errors(junit(document))] == []


def test_the_schema_of_junit_can_be_violated() -> None:
    """A case without a name is found out."""
    schema = xmlschema.XMLSchema(junit_schema())

    assert not schema.is_valid(junit(REPORTS["an audit"]).replace("<testcase classname=", "<testcase class="))


@every_report
@every_api
def test_report_objects_fit_their_schemas(document: ReportDocument, report_api: ReportApi) -> None:
    """Every report object is valid by the definition of its kind, with no key that it does not know."""
    schemas = {
        (f"{one['group']}/{version['name']}", one["names"]["kind"]): closed(version["schema"]["openAPIV3Schema"])
        for one in (definition["spec"] for definition in definitions())
        for version in one["versions"]
    }

    for made in policy_reports(document, report_api):
        schema = schemas[made["apiVersion"], made["kind"]]
        assert violations(made, schema) == []
        assert violations({**made, "verdict": "fail"}, schema) != []


@every_api
def test_an_api_server_stores_what_it_is_given(api: ApiServer, report_api: ReportApi) -> None:
    """A real API server accepts each report under strict validation, and gives back what says the same."""
    made = policy_reports(REPORTS["an audit"], report_api)

    api.kubectl("create", "--validate=strict", "-f", "-", stdin=as_list(*made))

    plurals = {one["spec"]["names"]["kind"]: one["metadata"]["name"] for one in definitions()}
    for each in made:
        metadata = each["metadata"]
        where = [f"--namespace={metadata['namespace']}"] if "namespace" in metadata else []
        got = api.kubectl("get", plurals[each["kind"]], metadata["name"], *where, "--output=json").stdout
        stored = json.loads(got)
        assert stored["metadata"]["resourceVersion"]
        assert same_findings(stored, each)


@every_api
def test_the_largest_report_can_be_stored(api: ApiServer, report_api: ReportApi) -> None:
    """What a report may hold at most is not too much for the API server and etcd."""
    long = "\N{GRINNING FACE}" * 1_200
    mild = [problem("stale-base", message=long)] * 500
    (made,) = policy_reports(report(workload(container(*mild, image=long), namespace=None)), report_api)
    assert made["metadata"]["annotations"] != {"dhi-gate.dev/results-left-out": "0"}

    api.kubectl("create", "--validate=strict", "-f", "-", stdin=json.dumps(made, ensure_ascii=False))
