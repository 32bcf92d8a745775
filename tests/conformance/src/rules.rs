//! The table of rules: ids, levels, words, and what tries them. Everything else follows from it.

use std::pin::Pin;

use crate::exchange::{Exchange, Verdict};
use crate::observe::Sight;
use crate::report::Level;
use crate::suite::Suite;
use crate::target::Description;
use crate::{atomic, cursor, faults, fetching, linking, narrowing, negotiation, observe, query, structure, writing};

/// Makes requests and judges the responses.
pub(crate) type Check = for<'s> fn(&'s Suite<'s>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 's>>;
/// Looks at one response of the run, whoever asked for it.
pub(crate) type Watch = fn(&Exchange, &Description) -> Sight;

/// A rule of the specification.
pub struct Rule {
    /// Its id: the letters of the section and a number.
    pub id: &'static str,
    /// How strongly it binds.
    pub level: Level,
    /// What it says.
    pub text: &'static str,
    pub(crate) check: Option<Check>,
    pub(crate) watch: Option<Watch>,
}

/// All rules, in the order in which they are tried and reported.
pub fn rules() -> &'static [Rule] {
    RULES
}

macro_rules! table {
    ($($id:ident $level:ident $text:literal $(, check $check:expr)? $(, watch $watch:expr)?;)*) => {
        &[$(Rule {
            id: stringify!($id),
            level: Level::$level,
            text: $text,
            check: table!(@check $($check)?),
            watch: table!(@watch $($watch)?),
        }),*]
    };
    (@check) => { None };
    (@check $check:expr) => { Some(|suite| Box::pin($check(suite))) };
    (@watch) => { None };
    (@watch $watch:expr) => { Some($watch) };
}

static RULES: &[Rule] = table! {
    CN1 Must "every JSON:API body is sent as `application/vnd.api+json`", watch observe::media_type;
    CN2 Must "`Content-Type` with a parameter other than `ext`/`profile`: 415", check negotiation::content_parameters;
    CN3 Must "`Content-Type` with an unsupported `ext`: 415", check negotiation::content_extension;
    CN4 Must "`Accept`: entries with other parameters are ignored; if all have some: 406", check negotiation::accept_parameters;
    CN5 Must "`Accept`: every entry with an unsupported `ext`: 406", check negotiation::accept_extension;
    CN6 Open "`*/*`, `application/*`, no `Accept`, one good among several bad: 200", check negotiation::acceptable;
    CN7 Must "an unknown `profile` is ignored, never an error", check negotiation::unknown_profile;
    CN8 Should "a requested, known profile is applied", check negotiation::known_profile;
    CN9 Must "what is applied is named in the response's `Content-Type`", check negotiation::echo, watch observe::extension_named;
    CN10 Should "`Vary: Accept` once `ext` or `profile` are supported", watch observe::vary;
    CN11 Must "`jsonapi.ext` and `jsonapi.profile` never drive negotiation", check negotiation::members_do_not_negotiate;
    CN12 Must "a parameter's value is a list of URIs, separated by spaces", check negotiation::uri_lists;

    DS1 Must "the root is an object with `data`, `errors`, `meta` or an extension's member", watch observe::top_level;
    DS2 Must "`data` and `errors` never together", watch observe::data_or_errors;
    DS3 Must "no `included` without `data`", watch observe::included_with_data;
    DS4 Must "one target: object or `null`; a collection: an array, also of 0 or 1", check structure::one_or_many;
    DS5 Must "only defined members; unknown ones in a request are ignored",
        check structure::ignores_unknown_members, watch observe::known_members;
    DS6 Must "`type`, `id` and `lid` are strings", watch observe::identity_strings;
    DS7 Must "no field named `type` or `id`; attributes and relationships share no name", watch observe::one_namespace;
    DS8 Should "foreign keys do not appear as attributes", watch observe::no_foreign_keys;
    DS9 Must "a relationship has `links` (`self`/`related`), `data` or `meta`", watch observe::relationship_members;
    DS10 Must "linkage is `null`, `[]`, one identifier or an array, matching cardinality",
        check structure::linkage_cardinality, watch observe::linkage_shape;
    DS11 Must "a `related` URL works when empty and does not change with the content", check structure::related_link_stays;
    DS12 Must "GET on a resource's `self` link returns it", check structure::self_link;
    DS13 Must "each included resource is reachable from primary data (full linkage)",
        check structure::full_linkage, watch observe::full_linkage;
    DS14 Must "the one exception: linkage hidden by sparse fieldsets", check structure::hidden_linkage;
    DS15 Must "no resource twice in a compound document", check structure::no_doubles, watch observe::no_doubles;
    DS16 Must "`meta` is an object", watch observe::meta_objects;
    DS17 Must "a link is a string, `null` or an object with `href`, good `hreflang` and `rel`", watch observe::links;
    DS18 Should "top-level `self` reproduces the request; with ext/profile an object with `type`", check structure::document_self;
    DS19 Must "member names are legal and case-sensitive", check structure::case_sensitive, watch observe::member_names;
    DS20 Must "`@`-members are ignored anywhere", check structure::at_members;
    DS21 Must "`jsonapi` is an object, its `version` a string", watch observe::json_api_object;
    DS22 Must "`id` is absent only from a client's new resource", check structure::new_without_id, watch observe::ids_present;

    FE1 Must "every URL given as `self` or `related` can be fetched", check fetching::links_work;
    FE2 Must "200 and an array for collections, also when empty", check fetching::collections;
    FE3 Must "200 and `null` only where there may be one resource", check fetching::empty_one;
    FE4 Must "a missing resource: 404", check fetching::missing_resource;
    FE5 Must "relationship URLs: linkage, 200 when empty, 404 without parent", check fetching::relationship_urls;
    FE6 Must "`include` of an unknown path: 400", check narrowing::unknown_include;
    FE7 Must "with `include`, `included` is there, even if empty", check narrowing::included_present;
    FE8 Must "only what was asked is included; an empty `include` is nothing", check narrowing::included_only;
    FE9 Open "a nested path brings the resources between", check narrowing::intermediate;
    FE10 Open "`include` also on relationship URLs, POST and PATCH", check narrowing::included_elsewhere;
    FE11 Must "`fields[T]` limits exactly; empty is none; also for included types", check narrowing::sparse_fields;
    FE12 Must "`sort`: ascending unless `-`; several in order; unsupported: 400", check fetching::sorting;
    FE13 Must "paging keys are `first`, `last`, `prev`, `next`; unavailable: omitted or `null`", check fetching::paging_links;
    FE14 Must "paging links live beside the collection that they page",
        check fetching::paging_links_at_top, watch observe::paging_links_in_place;
    FE15 Should "`page` and `filter` are used for paging and filtering", check fetching::reserved_families;

    CU1 Must "a request fully succeeds or fully fails", check writing::all_or_nothing;
    CU2 Must "POST needs one resource with `type`; its relationships need `data`", check writing::shape_of_new;
    CU3 Must "an id by the server: 201 with the resource", check writing::created;
    CU4 Mixed "`Location` (S); it equals `links.self` (M)", check writing::location;
    CU5 Must "201 for what is done, 202 for what is not, 204 only where nothing was changed", check writing::created_means_done;
    CU6 Must "client ids: unsupported 403, taken 409", check writing::client_ids;
    CU7 Must "a wrong `type` for the collection: 409", check writing::wrong_type;
    CU8 Must "a missing related resource: 404, also on PATCH", check writing::missing_related;
    CU9 Must "PATCH needs `type` and `id`; not those of the URL: 409", check writing::identity_of_change;
    CU10 Must "fields left out keep their value", check writing::left_out_stays;
    CU11 Must "to-many in PATCH is replaced, or the whole request refused with 403", check linking::replaced_in_resource;
    CU12 Must "changed more than asked: 200 with the resource, not 204", check writing::says_what_changed;
    CU13 Must "missing resource 404; a refused change leaves things as they are", check writing::impossible_changes;
    CU14 Must "to-one PATCH: an identifier or `null`", check linking::to_one;
    CU15 Must "to-many POST adds without duplicates, succeeds if already there", check linking::adding;
    CU16 Must "to-many DELETE succeeds if already gone (or 403); its body is read", check linking::removing;
    CU17 Must "to-many PATCH replaces all, fails fittingly, or 403", check linking::replacing;
    CU18 Must "DELETE: 204, or 200 with only `meta`; absent (S): 404", check writing::deleting;

    QP1 Must "an unknown parameter of a–z alone: 400", check query::reserved_names;
    QP2 Must "custom parameters have a legal name with a character beyond a–z", check query::custom_names;
    QP3 Must "a malformed family such as `filter[_]`: 400", check query::malformed_families;
    QP4 Mixed "raw brackets are accepted (S) and equal encoded ones (M)", check query::brackets;
    QP5 Must "parameters are form-urlencoded: `+` is a space", check query::form_urlencoded;

    ER1 Must "`errors` is an array of objects with at least one member", check faults::has_errors, watch faults::error_objects;
    ER2 Should "`status` is a string; `title` stays the same", check faults::stable_titles, watch faults::error_members;
    ER3 Must "`source.pointer` points at something in the request", check faults::provoked_pointers, watch faults::pointers;
    ER4 Open "`source.parameter` and `source.header` name the fault", check faults::sources;
    ER5 Should "several problems: the most general status", check faults::several_problems, watch faults::general_status;

    AO1 Must "only POST of `atomic:operations`, with no `data`, `included` or `errors` beside", check atomic::documents;
    AO2 Must "`op` is add, update or remove; `ref` or `href`, never both", check atomic::operations;
    AO3 Must "`ref` by `id` or `lid`, which comes from an earlier operation", check atomic::local_ids;
    AO4 Must "in order, all or nothing", check atomic::all_or_nothing;
    AO5 Must "`atomic:results` has the same length and order", check atomic::results;
    AO6 Must "a created resource is returned as data", check atomic::created;
    AO7 Must "a malformed operation: 400; its pointer (S)", check atomic::malformed;
    AO8 Open "permission is checked for each operation as on its single route", check atomic::permissions;

    CP1 Must "the sort is completed to a unique order", check cursor::unique_order;
    CP2 Must "`page[size]` is positive and within the maximum, else 400 as the profile says", check cursor::sizes;
    CP3 Must "a bad cursor: 400; an unsupported sort: 400 with its type link (S)", check cursor::bad_cursors;
    CP4 Must "`prev` and `next` are always there, `null` when known to be absent", check cursor::both_links;
    CP5 Must "`page[after]` starts right after the cursor, `page[before]` ends right before", check cursor::pages_join;
    CP6 Must "a range works, or 400 with its type link; cut short it says so", check cursor::ranges;
    CP7 Open "cursors of items and totals, if told, are right", check cursor::page_meta;
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SECTIONS: [(&str, usize); 8] =
        [("CN", 12), ("DS", 22), ("FE", 15), ("CU", 18), ("QP", 5), ("ER", 5), ("AO", 8), ("CP", 7)];

    #[test]
    fn the_table_has_every_rule_once() {
        let expected: Vec<_> =
            SECTIONS.iter().flat_map(|(letters, count)| (1..=*count).map(move |number| format!("{letters}{number}"))).collect();
        assert_eq!(rules().iter().map(|rule| rule.id).collect::<Vec<_>>(), expected);
        assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), 92);
    }

    #[test]
    fn every_rule_is_tried_somehow() {
        for rule in rules() {
            assert!(rule.check.is_some() || rule.watch.is_some(), "{} is only words", rule.id);
            assert!(!rule.text.is_empty() && !rule.text.contains('\n'), "{}", rule.id);
        }
    }
}
