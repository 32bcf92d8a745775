"""Hooks for schemathesis: rows that exist.

An id made up at random finds nothing, so nearly every answer were 404. Here, in three of four calls, ids in paths and
bodies become those of rows that were just made; the fourth keeps what schemathesis thought of. Also counts the answers,
so that schemathesis.sh can tell a run that reached the rows from one that was turned away at the door.
"""

import atexit
import collections
import itertools
import json
import os
import re

import requests
import schemathesis

BASE = os.environ["PEERS_BASE"]
WHO = os.environ["PEERS_WHO"]
MINE = os.environ.get("PEERS_TOKEN") or os.environ["PEERS_USER"]  # a guest reads what the user made
ROOT = os.environ["PEERS_ROOT"]
OPEN = 16258  # guests read, the owner may do all
API = "application/vnd.api+json"

http = requests.Session()
turn, name = itertools.count(), itertools.count(os.getpid() * 100000)
answers = collections.Counter()


def ask(method, path, token, body=None):
    answer = http.request(method, BASE + path, headers={"Authorization": "Bearer " + token, "Content-Type": API},
                          data=None if body is None else json.dumps(body), timeout=30)
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


def make(kind, token, relationships=None, **attributes):
    data = {"type": kind, "attributes": attributes}
    if relationships:
        data["relationships"] = relationships
    return ask("POST", f"/api/{kind}", token, {"data": data})["data"]["id"]


def one(kind, id):
    return {"data": {"type": kind, "id": id}}


def first(kind, filter):
    return ask("GET", f"/api/{kind}?{filter}", ROOT)["data"][0]["id"]


me = ask("GET", "/api/user_account/mine", MINE)["data"]
me = (me[0] if isinstance(me, list) else me)["id"]
article = make("article", MINE, title="Stays", permission=OPEN)
comment = make("comment", MINE, {"article": one("article", article)}, text="Stays")
# Rows that are read, and that others point to; nothing changes them by their own id.
stay = {
    "article": article,
    "comment": comment,
    "tag": make("tag", MINE, name=f"stays {WHO} {next(name)}"),
    "section": make("section", ROOT, name=f"stays {WHO} {next(name)}", permission=OPEN),
    "memo": make("memo", ROOT, text="Stays"),
    "usergroup": make("usergroup", MINE, name=f"stays {WHO} {next(name)}"),
    "user_account": me,
    "session": ask("GET", "/api/session", MINE)["data"][0]["id"],
    "world": first("world", "filter[name]=memo"),
    "action": first("action", "filter[name]=paint"),
}
# What stands in paths that every entity has.
KINDS = ["article", "user_account", "tag", "comment"]
# People are slow to make (a password is hashed), so these few are used up.
people = [make("user_account", ROOT, name="P", email=f"p{next(name)}@{WHO}.example.org") for _ in range(4)]


def fresh(kind):
    """A row that may be spoiled: a PATCH may take away the right to it or give it away, a DELETE takes the row."""
    match kind:
        case "article": return make(kind, MINE, title="Goes", permission=OPEN)
        case "comment": return make(kind, MINE, {"article": one("article", fresh("article"))}, text="Goes")
        case "tag" | "usergroup": return make(kind, MINE, name=f"goes {WHO} {next(name)}")
        case "section": return make(kind, ROOT, name=f"goes {WHO} {next(name)}", permission=OPEN)
        case "memo": return make(kind, ROOT, text="Goes")
        # Never one's own account: that would end the run's session, or its membership in the group of users. Of the
        # entities' and the actions' own rows only memo's and paint's: else the run shuts its own doors.
        case "user_account": return people[next(name) % len(people)]
        case _: return stay[kind]


spare, spoiled = {}, collections.Counter()


def goes(kind, wholly):
    """A row for a call that changes: a new one if the call may succeed in taking it away, else one for twenty calls."""
    if wholly:
        return fresh(kind)
    spoiled[kind] += 1
    if spoiled[kind] % 20 == 1:
        spare[kind] = fresh(kind)
    return spare[kind]


def identifiers(part, kinds):
    """Identifiers in a body, and what follows from their place: `relationships.tags.data` are tags."""
    if isinstance(part, list):
        for item in part:
            identifiers(item, kinds)
    elif isinstance(part, dict):
        for key, value in part.items():
            kind = kinds.get(key)
            linkage = value.get("data") if isinstance(value, dict) else None
            if kind and linkage:
                for item in linkage if isinstance(linkage, list) else [linkage]:
                    point(item, kind)
            identifiers(value, kinds)


def point(item, kind):
    if isinstance(item, dict):
        item.update(type=kind, id=stay[kind])
        item.pop("lid", None)


def relations(document):
    """Which entity each relationship leads to, from the document itself; ambiguous names by their entity."""
    found = {}
    for kind, schema in document["components"]["schemas"].items():
        for relation, said in schema.get("properties", {}).get("relationships", {}).get("properties", {}).items():
            to = re.search(r"/(\w+)\.relationship\.", said.get("$ref", ""))
            if to:
                found.setdefault(kind, {})[relation] = to[1]
    return found


known = None


@schemathesis.hook
def before_call(context, case, kwargs):
    global known
    if known is None:
        known = relations(context.operation.schema.raw_schema)
        assert known.get("article", {}).get("tags") == "tag", known
    if next(turn) % 4 == 3:
        return
    if case.headers is not None:
        case.headers.pop("If-Match", None)  # a made-up one gives 412
    parameters = case.path_parameters or {}
    if "entity" in parameters:
        parameters["entity"] = KINDS[next(turn) % len(KINDS)]
    entity = re.match(r"/(?:api|action|permission|aggregate|history)/(\w+|\{entity\})", case.path)
    kind = parameters.get("entity", entity and entity[1])
    if kind not in stay:
        return
    method = case.method.upper()
    relation = parameters.get("relation")
    whole = method in ("PATCH", "DELETE") and (relation == "owner" or re.fullmatch(r"/api/\w+/\{id\}", case.path))
    if case.path_parameters and "id" in case.path_parameters:
        positive = case.meta is None or case.meta.generation.mode.is_positive
        case.path_parameters["id"] = stay[kind] if method == "GET" else goes(kind, bool(whole and positive))
    if not isinstance(case.body, dict):
        return
    case.body = json.loads(json.dumps(case.body))
    if relation and (to := known.get(kind, {}).get(relation)):
        linkage = case.body.get("data")
        for item in linkage if isinstance(linkage, list) else [linkage]:
            point(item, to)
        return
    data = case.body.get("data")
    if isinstance(data, dict) and "id" in data and case.path_parameters:
        data["id"] = case.path_parameters["id"]
    identifiers(case.body, known.get(kind, {}))
    for inputs in (case.body, case.body.get("attributes")):
        if isinstance(inputs, dict):
            for key in ("usergroup", "usergroup_id", "article_id", "user_account_id", "tag_id"):
                if key in inputs:
                    inputs[key] = stay[key.removesuffix("_id")]


@schemathesis.hook
def after_call(context, case, response):
    answers[f"{case.method.upper()} {response.status_code // 100}xx"] += 1


@atexit.register
def tell():
    with open(os.environ["PEERS_ANSWERS"], "w") as file:
        json.dump(answers, file)
