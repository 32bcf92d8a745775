//! Query parameters (QP).

use serde_json::Value;

use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::suite::Suite;

/// Asks the collection and a resource for a parameter that can't be.
async fn refused(suite: &Suite<'_>, names: &[&str], because: &str) -> Verdict {
    let made = suite.fresh().await?;
    for name in names {
        for place in [suite.collection(), &made.url] {
            suite.get(place).query(&[(name, "1")]).await?.is(&[400], because)?;
        }
    }
    Ok(())
}

/// QP1: names of a–z alone are the specification's.
pub async fn reserved_names(suite: &Suite<'_>) -> Verdict {
    refused(suite, &["conformance", "q", "conformance[x]"], "names of a–z alone are reserved").await
}

/// QP2: custom parameters have legal names.
pub async fn custom_names(suite: &Suite<'_>) -> Verdict {
    refused(suite, &["_", "-conformance", "conformance_", "a.b", "conformanceProbe[_]"], "this is no legal parameter name")
        .await?;
    // A legal one that the server doesn't know may be ignored or refused.
    let reply = suite.get(suite.collection()).query(&[("conformanceProbe", "1")]).await?;
    reply.is(&[200, 400], "a legal custom parameter, known or not").map(drop)
}

/// QP3: families are made of member names.
pub async fn malformed_families(suite: &Suite<'_>) -> Verdict {
    let because = "the family's name is malformed";
    let made = suite.fresh().await?;
    for name in ["filter[_]", "filter[a", "page[-]", "fields[_]", "page]size["] {
        let reply = suite.get(suite.collection()).query(&[(name, "1")]).await?;
        reply.is(&[400], because)?;
    }
    suite.get(&made.url).query(&[("fields[_]", "1")]).await?.is(&[400], because).map(drop)
}

/// QP4: brackets as they are or encoded.
pub async fn brackets(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let mut queries = vec![(made.url.clone(), format!("fields[{}]={}", made.name, suite.rename()))];
    if suite.description().cursor {
        queries.push((suite.collection().to_owned(), format!("page[size]=1&fields[{}]=", made.name)));
    }
    for (place, raw) in queries {
        let encoded = raw.replace('[', "%5B").replace(']', "%5D");
        let encoded = suite.get(&format!("{place}?{encoded}")).await?;
        encoded.is(&[200], "encoded brackets")?;
        let raw = suite.get(&format!("{place}?{raw}")).await?;
        raw.ought(raw.status != 400, "raw brackets to be accepted")?;
        raw.is(&[200], "raw brackets")?;
        // The same but for the order of members, which JSON leaves open.
        raw.holds(raw.data() == encoded.data(), format!("the same `data` as with encoded brackets: {}", encoded.data()))?;
    }
    Ok(())
}

/// QP5: values are form-urlencoded.
pub async fn form_urlencoded(suite: &Suite<'_>) -> Verdict {
    let Some(filter) = &suite.description().filter else {
        return not_applicable("the description names no filter to send a space through");
    };
    let name = format!("conformance a b{}", suite.suffix());
    let made = suite.fresh_with(|data| data["attributes"][&filter.attribute] = name.as_str().into()).await?;
    let stored = &suite.again(&made).await?.resource["attributes"][&filter.attribute];
    if *stored != name {
        return not_applicable(format!("`{}` can't hold a space", filter.attribute));
    }
    let parameter = filter.parameter.replace('[', "%5B").replace(']', "%5D");
    for space in ["+", "%20"] {
        let value = name.replace(' ', space);
        let reply = suite.get(&format!("{}?{parameter}={value}", suite.collection())).await?;
        found(&reply, &made.id, &format!("`{space}` is a space"))?;
    }
    // The other way round: an encoded plus is a plus.
    let value = name.replace(' ', "%2B");
    let reply = suite.get(&format!("{}?{parameter}={value}", suite.collection())).await?;
    reply.is(&[200], "an encoded plus")?;
    reply.holds(!reply.items()?.iter().any(|item| item["id"] == *made.id), "not this one: `%2B` is a plus").map(drop)
}

fn found(reply: &Exchange, id: &str, because: &str) -> Result<(), Failure> {
    reply.is(&[200], because)?;
    let has = reply.items()?.iter().any(|item: &Value| item["id"] == *id);
    reply.holds(has, format!("the resource of this name ({because})")).map(drop)
}
