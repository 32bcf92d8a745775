# openapi-python-client writes a module for each operation and a class for each schema.
# Each "type: ignore" is a mistake that the types have to catch: were they loose, mypy would complain of the comment.
import importlib
import os
import pkgutil
from uuid import UUID

import rowhouse_client
from rowhouse_client.api.article import add_article, change_article, create_article, delete_article, get_article, linkage_article, list_article, related_article, remove_article, replace_article
from rowhouse_client.api.tag import create_tag, delete_tag
from rowhouse_client.api.user_account import act_user_account_signin as signin
from rowhouse_client.client import AuthenticatedClient, Client
from rowhouse_client.models import (
    ArticleChange, ArticleChanged, ArticleChangeData, ArticleChangeDataAttributes, ArticleDocument, ArticleLinkage, ArticleNew, ArticleNewData, ArticleNewDataAttributes,
    ArticlePage, ArticleRelated, ClientNotify, ClientStoreSet, JsonapiErrors, Tag, TagChanged, TagIdentifier, TagNew, TagNewData, TagNewDataAttributes, UserAccountSigninCall,
)
from rowhouse_client.types import Unset

# Those that aren't called here can be imported, at least.
for module in pkgutil.walk_packages(rowhouse_client.__path__, "rowhouse_client."):
    importlib.import_module(module.name)

BASE = os.environ["PEERS_BASE"]
guest = Client(base_url=BASE)

entered = signin.sync_detailed(client=guest, body=UserAccountSigninCall(email="ada@example.org", password="correct horse"))
tokens: list[str] = [d.attributes.value for d in entered.parsed or [] if isinstance(d, ClientStoreSet) and d.attributes.key == "token"]
refused = signin.sync_detailed(client=guest, body=UserAccountSigninCall(email="ada@example.org", password="wrong"))
said = (refused.parsed or [])[0]
assert refused.status_code >= 400 and isinstance(said, ClientNotify) and said.attributes.faults
assert said.attributes.faults[0].code == "wrong-password"

mine = AuthenticatedClient(base_url=BASE, token=tokens[0])
TITLE = "Of openapi-python-client"


def make(words: int) -> UUID:
    made = create_article.sync(client=mine, body=ArticleNew(ArticleNewData(type_="article", attributes=ArticleNewDataAttributes(title=TITLE, words=words, status="draft"))))
    assert isinstance(made, ArticleChanged) and made.data, made  # who makes a row need not be who may read it
    return made.data.id


one, two = make(1), make(2)
tagged = create_tag.sync(client=mine, body=TagNew(TagNewData(type_="tag", attributes=TagNewDataAttributes(name=TITLE))))
assert isinstance(tagged, TagChanged) and tagged.data, tagged
tag = tagged.data.id


def mistakes() -> None:
    ArticleNewDataAttributes(title=TITLE, nonsense=1)  # type: ignore[call-arg]
    ArticleNewDataAttributes(title=TITLE, words="many")  # type: ignore[arg-type]
    ArticleNewDataAttributes()  # type: ignore[call-arg]
    ArticleNewData(type_="tag", attributes=ArticleNewDataAttributes(title=TITLE))  # type: ignore[arg-type]
    ArticleNewDataAttributes(title=TITLE, status="nonsense")  # type: ignore[arg-type]
    ArticleChangeDataAttributes(version=3)  # type: ignore[call-arg]
    UserAccountSigninCall(email="ada@example.org")  # type: ignore[call-arg]
    list_article.sync(client=mine, sort=["nonsense"])  # type: ignore[list-item]
    list_article.sync(client=mine, pagesize="large")  # type: ignore[arg-type]
    list_article.sync(client=mine, filternonsense="x")  # type: ignore[call-arg]
    add_article.sync(str(one), "section", client=mine, body=ArticleLinkage([]))  # type: ignore[arg-type]
    TagIdentifier(type_="world", id=tag)  # type: ignore[arg-type]


page = list_article.sync(client=mine, filtertitle=TITLE, sort=["-words", "title"], pagesize=1, include=["tags", "owner"])
assert isinstance(page, ArticlePage), page
words: list[int | None | Unset] = [a.attributes.words for a in page.data]
assert words == [2]
assert page.links and isinstance(page.links.next_, str) and page.links.next_.startswith("/api/article?")

changed = change_article.sync(str(one), client=mine, body=ArticleChange(ArticleChangeData(type_="article", id=one, attributes=ArticleChangeDataAttributes(words=3))))
assert isinstance(changed, ArticleChanged) and changed.data, changed
assert (changed.data.attributes.words, changed.data.attributes.title) == (3, TITLE)

link = ArticleLinkage([TagIdentifier(type_="tag", id=tag)])


def linked() -> list[UUID]:
    linkage = linkage_article.sync(str(one), "tags", client=mine)
    assert isinstance(linkage, ArticleLinkage) and isinstance(linkage.data, list), linkage
    return [t.id for t in linkage.data]


assert add_article.sync_detailed(str(one), "tags", client=mine, body=link).status_code == 204
assert linked() == [tag]
related = related_article.sync(str(one), "tags", client=mine)
assert isinstance(related, ArticleRelated) and isinstance(related.data, list), related
assert isinstance(related.data[0], Tag) and related.data[0].attributes.name == TITLE
read = get_article.sync(str(one), client=mine, include=["tags"])
assert isinstance(read, ArticleDocument) and read.included, read
assert isinstance(read.included[0], Tag) and read.included[0].attributes.name == TITLE
assert read.data.relationships.tags and read.data.relationships.tags.data and read.data.relationships.tags.data[0].id == tag
assert remove_article.sync_detailed(str(one), "tags", client=mine, body=link).status_code == 204
assert linked() == []
assert replace_article.sync_detailed(str(one), "section", client=mine, body=ArticleLinkage(None)).status_code == 204

wrong = create_article.sync_detailed(client=mine, body=ArticleNew(ArticleNewData(type_="article", attributes=ArticleNewDataAttributes(title=TITLE, words=-1))))
assert wrong.status_code == 422 and isinstance(wrong.parsed, JsonapiErrors)
assert wrong.parsed.errors[0].source and wrong.parsed.errors[0].source.pointer == "/data/attributes/words"

assert delete_tag.sync_detailed(str(tag), client=mine).status_code == 204
for row in (one, two):
    assert delete_article.sync_detailed(str(row), client=mine).status_code == 204
gone = get_article.sync_detailed(str(one), client=mine)
assert gone.status_code == 404 and isinstance(gone.parsed, JsonapiErrors) and gone.parsed.errors[0].status == "404"
