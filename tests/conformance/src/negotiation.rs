//! Content negotiation (CN).

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::exchange::{Failure, Verdict, not_applicable};
use crate::media::{ATOMIC, CURSOR, JSON_API, accept_cursor, json_api_with};
use crate::suite::Suite;

const UNKNOWN_EXTENSION: &str = "https://example.org/conformance/no-such-extension";
const UNKNOWN_PROFILE: &str = "https://example.org/conformance/no-such-profile";
const OTHER_PROFILE: &str = "https://example.org/conformance/another-profile";

/// CN2: other parameters in `Content-Type`.
pub async fn content_parameters(suite: &Suite<'_>) -> Verdict {
    for parameter in ["charset=utf-8", "version=\"1.1\""] {
        let draft = json!({ "data": suite.draft(suite.kind()).await? });
        let content_type = format!("{JSON_API}; {parameter}");
        let reply = suite.post(suite.collection(), draft).content_type(content_type).await?;
        reply.is(&[415], "a media type parameter other than `ext` and `profile`")?;
    }
    Ok(())
}

/// CN3: an unknown extension in `Content-Type`.
pub async fn content_extension(suite: &Suite<'_>) -> Verdict {
    let draft = json!({ "data": suite.draft(suite.kind()).await? });
    let content_type = json_api_with("ext", UNKNOWN_EXTENSION);
    suite.post(suite.collection(), draft).content_type(content_type).await?.is(&[415], "an unsupported extension").map(drop)
}

/// CN4: other parameters in `Accept`.
pub async fn accept_parameters(suite: &Suite<'_>) -> Verdict {
    let modified = format!("{JSON_API}; charset=utf-8");
    let all = format!("{modified}, {JSON_API}; version=1");
    for accept in [&modified, &all] {
        let reply = suite.get(suite.collection()).accept(accept).await?;
        reply.is(&[406], "all instances have parameters other than `ext` and `profile`")?;
    }
    let reply = suite.get(suite.collection()).accept(format!("{modified}, {JSON_API}")).await?;
    reply.is(&[200], "the instance with a parameter is ignored, the plain one is not").map(drop)
}

/// CN5: nothing but unknown extensions in `Accept`.
pub async fn accept_extension(suite: &Suite<'_>) -> Verdict {
    let unknown = json_api_with("ext", UNKNOWN_EXTENSION);
    let reply = suite.get(suite.collection()).accept(&unknown).await?;
    reply.is(&[406], "every instance asks for an unsupported extension")?;
    let reply = suite.get(suite.collection()).accept(format!("{unknown}, {JSON_API}")).await?;
    reply.is(&[200], "one instance asks for nothing").map(drop)
}

/// CN6: what has to be acceptable.
pub async fn acceptable(suite: &Suite<'_>) -> Verdict {
    let mixed = format!("{JSON_API}; charset=utf-8, {}, text/html, {JSON_API}", json_api_with("ext", UNKNOWN_EXTENSION));
    let weighted = format!("text/html, {JSON_API};q=0.5");
    for accept in ["*/*", "application/*", &mixed, &weighted] {
        suite.get(suite.collection()).accept(accept).await?.is(&[200], "this accepts plain JSON:API")?;
    }
    match without_accept(suite).await? {
        200 => Ok(()),
        status => Err(Failure::Broken(format!("asked GET {} without `Accept`; got {status}; expected 200", suite.collection()))),
    }
}

/// The status for a request without `Accept`, which reqwest always sends: by hand, over a socket.
async fn without_accept(suite: &Suite<'_>) -> Result<u16, Failure> {
    let url = suite.locate(suite.collection())?;
    let authority = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
    let mut request = format!("GET {} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n", url.path()).into_bytes();
    for (name, value) in suite.headers() {
        request.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    // On a thread of its own: the server may well be run by this one.
    let talk = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(authority)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(&request)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    });
    let line = match talk.await {
        Ok(Ok(line)) => line,
        Ok(Err(why)) => return Err(Failure::Broken(format!("asked GET {} without `Accept`; got {why}", url.path()))),
        Err(why) => return not_applicable(format!("the request could not be made: {why}")),
    };
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| Failure::Broken(format!("asked GET {} without `Accept`; got {line:?}", url.path())))
}

/// CN7: unknown profiles.
pub async fn unknown_profile(suite: &Suite<'_>) -> Verdict {
    let unknown = json_api_with("profile", UNKNOWN_PROFILE);
    for accept in [unknown.clone(), format!("{unknown}, {JSON_API}")] {
        let reply = suite.get(suite.collection()).accept(accept).await?;
        reply.is(&[200], "unknown profiles are ignored")?;
        let claimed = reply.media().is_some_and(|media| media.uris("profile").any(|uri| uri == UNKNOWN_PROFILE));
        reply.holds(!claimed, "a content type that does not claim the unknown profile")?;
    }
    let draft = json!({ "data": suite.draft(suite.kind()).await? });
    let reply = suite.post(suite.collection(), draft).content_type(unknown).await?;
    reply.is(&[201], "unknown profiles are ignored").map(drop)
}

/// CN8: the known profile is applied.
pub async fn known_profile(suite: &Suite<'_>) -> Verdict {
    if !suite.description().cursor {
        return not_applicable("the description names no profile that the server knows");
    }
    let reply = suite.get(suite.collection()).accept(accept_cursor()).await?;
    reply.is(&[200], "a known profile is asked for")?;
    // The profile's own mark: both links are there, be it as `null`.
    let applied = reply.has("/links/prev") && reply.has("/links/next");
    reply.holds(applied, "`prev` and `next`, as the cursor profile has it")?;
    let named = reply.media().is_some_and(|media| media.names_cursor());
    reply.holds(named, "the cursor profile in the content type, as the sign that it was applied").map(drop)
}

/// CN9: what is applied is named in the content type.
pub async fn echo(suite: &Suite<'_>) -> Verdict {
    let description = suite.description();
    if description.cursor {
        let reply = suite.get(suite.collection()).query(&[("page[size]", "1")]).accept(accept_cursor()).await?;
        reply.is(&[200], "a page under the cursor profile")?;
        let named = reply.media().is_some_and(|media| media.names_cursor());
        reply.holds(named, format!("`profile=\"{}/\"` in the content type", CURSOR[0]))?;
    }
    if let Some(operations) = &description.operations {
        let draft = suite.draft(suite.kind()).await?;
        let body = json!({"atomic:operations": [{"op": "add", "data": draft}]});
        let atomic = json_api_with("ext", ATOMIC);
        let reply = suite.post(operations, body).content_type(&atomic).accept(&atomic).await?;
        reply.is(&[200], "one operation that creates a resource")?;
        let named = reply.media().is_some_and(|media| media.uris("ext").any(|uri| uri == ATOMIC));
        reply.holds(named, format!("`ext=\"{ATOMIC}\"` in the content type"))?;
    }
    match description.cursor || description.operations.is_some() {
        true => Ok(()),
        false => not_applicable("neither the cursor profile nor atomic operations are offered"),
    }
}

/// CN11: the object `jsonapi` is for information only.
pub async fn members_do_not_negotiate(suite: &Suite<'_>) -> Verdict {
    let draft = suite.draft(suite.kind()).await?;
    let said = json!({"version": "1.1", "ext": [UNKNOWN_EXTENSION], "profile": [UNKNOWN_PROFILE]});
    let reply = suite.post(suite.collection(), json!({"jsonapi": said, "data": draft})).await?;
    reply.is(&[201], "`jsonapi.ext` and `jsonapi.profile` do not negotiate")?;
    let extended = reply.media().is_some_and(|media| media.uris("ext").next().is_some());
    reply.holds(!extended, "no extension in the content type").map(drop)
}

/// CN12: lists of URIs.
pub async fn uri_lists(suite: &Suite<'_>) -> Verdict {
    let two = json_api_with("profile", &format!("{UNKNOWN_PROFILE} {OTHER_PROFILE}"));
    suite.get(suite.collection()).accept(&two).await?.is(&[200], "a list of two unknown profiles")?;
    let draft = json!({ "data": suite.draft(suite.kind()).await? });
    suite.post(suite.collection(), draft).content_type(two).await?.is(&[201], "a list of two unknown profiles")?;
    if suite.description().cursor {
        let mixed = json_api_with("profile", &format!("{UNKNOWN_PROFILE} {}/ {}/", CURSOR[0], CURSOR[1]));
        let reply = suite.get(suite.collection()).accept(mixed).await?;
        reply.is(&[200], "a list with one known profile")?;
        let claimed = reply.media().is_some_and(|media| media.uris("profile").any(|uri| uri == UNKNOWN_PROFILE));
        reply.holds(!claimed, "a content type that names only the known profile")?;
    }
    if let Some(operations) = &suite.description().operations {
        let draft = suite.draft(suite.kind()).await?;
        let body = json!({"atomic:operations": [{"op": "add", "data": draft}]});
        let both = json_api_with("ext", &format!("{ATOMIC} {UNKNOWN_EXTENSION}"));
        let reply = suite.post(operations, body).content_type(both).accept(json_api_with("ext", ATOMIC)).await?;
        reply.is(&[415], "a list with one unsupported extension")?;
    }
    Ok(())
}
