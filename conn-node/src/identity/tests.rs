use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::Config;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_790_000_000_000;
const NOW_SECONDS: u64 = NOW / 1_000;
const SECRET: &str = "a secret of the shop's own back end, 44 bytes";

// Made for these tests alone.
const RSA: (&str, &str) = (include_str!("keys/rsa.private.pem"), include_str!("keys/rsa.public.pem"));
const EC: (&str, &str) = (include_str!("keys/ec.private.pem"), include_str!("keys/ec.public.pem"));
const ED: (&str, &str) = (include_str!("keys/ed.private.pem"), include_str!("keys/ed.public.pem"));

fn keys(identity: &str) -> IdentityKeys {
    let text = format!("[sites.shop]\nname = \"Shop\"\norigins = []\n[sites.shop.identity]\n{identity}");
    IdentityKeys::new("shop", &Config::parse(&text, []).unwrap().sites["shop"].identity).unwrap()
}

fn hs256() -> IdentityKeys {
    keys(&format!("keys = [{{ id = \"a\", algorithm = \"HS256\", secret = \"{SECRET}\" }}]"))
}

fn with_public_key(algorithm: &str, pem: &str) -> IdentityKeys {
    keys(&format!("[[sites.shop.identity.keys]]\nalgorithm = \"{algorithm}\"\npublic_key = \"\"\"\n{pem}\"\"\""))
}

fn sign(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap()
}

fn signed(claims: &Value) -> String {
    sign(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}

fn good() -> Value {
    json!({"sub": "ann", "exp": NOW_SECONDS + 600})
}

fn with(changes: Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn an_identity_names_the_same_visitor_each_time() {
    let ann = hs256().verify(&signed(&good()), NOW).unwrap();

    assert_eq!(ann, VisitorId::signed("shop", "ann"));
    assert_eq!(hs256().verify(&signed(&with(json!({"exp": NOW_SECONDS + 900}))), NOW).unwrap(), ann);
}

#[test]
fn every_algorithm_verifies_its_own_signatures() {
    let cases = [
        (Algorithm::RS256, "RS256", EncodingKey::from_rsa_pem(RSA.0.as_bytes()).unwrap(), RSA.1),
        (Algorithm::ES256, "ES256", EncodingKey::from_ec_pem(EC.0.as_bytes()).unwrap(), EC.1),
        (Algorithm::EdDSA, "EdDSA", EncodingKey::from_ed_pem(ED.0.as_bytes()).unwrap(), ED.1),
    ];
    for (algorithm, name, private, public) in cases {
        let jwt = sign(&Header::new(algorithm), &good(), &private);

        assert!(with_public_key(name, public).verify(&jwt, NOW).is_ok(), "{name}");
        let mut forged = jwt.clone();
        forged.replace_range(jwt.len() - 8..jwt.len() - 4, "AAAA");
        assert_eq!(with_public_key(name, public).verify(&forged, NOW), Err(IdentityError::Signature), "{name}");
    }
}

#[test]
fn a_token_cannot_choose_another_algorithm_than_the_keys() {
    let rsa = with_public_key("RS256", RSA.1);
    // The classic forgery: the public key, which everybody has, taken as an HMAC secret.
    for secret in [RSA.1, RSA.1.trim()] {
        let forged = sign(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(secret.as_bytes()));
        assert_eq!(rsa.verify(&forged, NOW), Err(IdentityError::NoKey));
    }
    let stronger = sign(&Header::new(Algorithm::HS512), &good(), &EncodingKey::from_secret(SECRET.as_bytes()));
    assert_eq!(hs256().verify(&stronger, NOW), Err(IdentityError::NoKey));
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for header in [json!({"alg": "none"}), json!({"alg": "NONE"}), json!({}), json!({"alg": "HS256"})] {
        let jwt = format!("{}.{}.", part(header), part(good()));
        assert!(hs256().verify(&jwt, NOW).is_err());
    }
}

#[test]
fn what_is_no_jwt_is_refused() {
    let list = signed(&json!(["ann"]));
    for text in [list.as_str(), "", "a", "a.b.c", "..", "{}", &"x".repeat(10_000)] {
        assert_eq!(hs256().verify(text, NOW), Err(IdentityError::Malformed), "{text}");
    }
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let jwt = sign(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(b"another"));

    assert_eq!(hs256().verify(&jwt, NOW), Err(IdentityError::Signature));
}

#[test]
fn a_kid_picks_the_key_and_without_one_every_key_is_tried() {
    let two = keys(&format!(
        "keys = [{{ id = \"old\", algorithm = \"HS256\", secret = \"{SECRET}\" }}, \
         {{ id = \"new\", algorithm = \"HS256\", secret = \"{SECRET}{SECRET}\" }}]"
    ));
    let new = EncodingKey::from_secret(format!("{SECRET}{SECRET}").as_bytes());
    let kid = |kid: &str| Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };

    assert!(two.verify(&sign(&Header::new(Algorithm::HS256), &good(), &new), NOW).is_ok());
    assert!(two.verify(&sign(&kid("new"), &good(), &new), NOW).is_ok());
    assert_eq!(two.verify(&sign(&kid("old"), &good(), &new), NOW), Err(IdentityError::Signature));
    assert_eq!(two.verify(&sign(&kid("other"), &good(), &new), NOW), Err(IdentityError::NoKey));
}

#[test]
fn a_header_that_asks_for_more_than_is_understood_is_refused() {
    let header = Header { crit: Some(vec!["b64".to_owned()]), ..Header::new(Algorithm::HS256) };
    let jwt = sign(&header, &good(), &EncodingKey::from_secret(SECRET.as_bytes()));

    assert_eq!(hs256().verify(&jwt, NOW), Err(IdentityError::Malformed));
}

#[test]
fn a_subject_and_an_expiry_are_needed() {
    let cases = [
        json!({"exp": NOW_SECONDS + 600}),
        json!({"sub": "ann"}),
        with(json!({"sub": ""})),
        with(json!({"sub": 7})),
        with(json!({"sub": null})),
        with(json!({"sub": "x".repeat(321)})),
        with(json!({"exp": "tomorrow"})),
        with(json!({"nbf": "now"})),
    ];
    for claims in cases {
        assert_eq!(hs256().verify(&signed(&claims), NOW), Err(IdentityError::Claims), "{claims}");
    }
}

#[test]
fn claims_that_are_not_needed_are_passed_over_whatever_they_are() {
    let claims = with(json!({"name": {"first": []}, "email": 7, "iat": "yesterday", "aud": {"a": 1}, "iss": null}));

    assert!(hs256().verify(&signed(&claims), NOW).is_ok());
}

#[test]
fn times_are_checked_with_half_a_minute_for_clocks_that_differ() {
    let verify = |changes| hs256().verify(&signed(&with(changes)), NOW).map(|_| ());

    assert_eq!(verify(json!({"exp": NOW_SECONDS - 30})), Ok(()));
    assert_eq!(verify(json!({"exp": NOW_SECONDS - 31})), Err(IdentityError::Expired));
    assert_eq!(verify(json!({"exp": NOW_SECONDS as f64 + 0.5})), Ok(()));
    assert_eq!(verify(json!({"exp": -1})), Err(IdentityError::Expired));
    assert_eq!(verify(json!({"exp": NOW_SECONDS + 86_430})), Ok(()));
    assert_eq!(verify(json!({"exp": NOW_SECONDS + 86_431})), Err(IdentityError::TooLong));
    assert_eq!(verify(json!({"exp": 1e300})), Err(IdentityError::TooLong));
    assert_eq!(verify(json!({"nbf": NOW_SECONDS + 30})), Ok(()));
    assert_eq!(verify(json!({"nbf": NOW_SECONDS + 31})), Err(IdentityError::NotYet));
}

#[test]
fn an_audience_is_checked_where_the_site_names_one() {
    let keys = keys(&format!("audience = \"frontdesk\"\nkeys = [{{ algorithm = \"HS256\", secret = \"{SECRET}\" }}]"));
    let verify = |changes| keys.verify(&signed(&with(changes)), NOW).map(|_| ());

    assert_eq!(verify(json!({"aud": "frontdesk"})), Ok(()));
    assert_eq!(verify(json!({"aud": ["mail", "frontdesk"]})), Ok(()));
    assert_eq!(verify(json!({"aud": "mail"})), Err(IdentityError::Audience));
    assert_eq!(verify(json!({})), Err(IdentityError::Audience));
}

#[test]
fn a_public_key_of_another_kind_is_refused_at_the_start_by_its_key() {
    let text = format!(
        "[sites.shop]\nname = \"Shop\"\norigins = []\n[[sites.shop.identity.keys]]\nalgorithm = \"RS256\"\npublic_key = \
         \"\"\"\n{}\"\"\"",
        ED.1
    );
    let site = &Config::parse(&text, []).unwrap().sites["shop"];

    let error = IdentityKeys::new("shop", &site.identity).unwrap_err();

    assert_eq!(error.to_string(), "sites.shop.identity.keys[0].public_key: is not a public key for RS256");
}
