//! What each operation is for, what it takes and what it answers.

use schemars::{Schema, SchemaGenerator};

use crate::api::v1::dto::*;

/// Makes the schema of a type.
pub(super) type Make = fn(&mut SchemaGenerator) -> Schema;

/// An operation as its caller sees it.
pub(super) struct Told {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: &'static [&'static str],
    pub(super) takes: Option<Make>,
    pub(super) status: u16,
    pub(super) answers: Option<Make>,
}

macro_rules! told {
    ($($method:ident $path:literal $summary:literal [$($query:literal)*] $($takes:ty)? => $status:literal $($answers:ty)?;)*) => {
        vec![$(Told {
            method: stringify!($method),
            path: $path,
            summary: $summary,
            query: &[$($query),*],
            takes: None$(.or(Some(make::<$takes> as Make)))?,
            status: $status,
            answers: None$(.or(Some(make::<$answers> as Make)))?,
        },)*]
    };
}

fn make<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

pub(super) fn all() -> Vec<Told> {
    [access(), configuration(), people(), running()].into_iter().flatten().collect()
}

fn access() -> Vec<Told> {
    told! {
        get "/administrators" "Who may log in to the control panel." [] => 200 Page<Administrator>;
        post "/administrators" "Adds an administrator." [] NewAdministrator => 201 Administrator;
        patch "/administrators/{name}" "Changes an administrator, whose sessions end." [] AdministratorChanges => 200 Administrator;
        delete "/administrators/{name}" "Removes an administrator, whose sessions end." [] => 204;
        get "/audit" "The audit log, newest first." ["subject" "who" "action" "since" "until" "after" "limit"] => 200 Page<Audit>;
        get "/audit/verify" "Checks the chain of hashes." [] => 200 AuditVerified;
        get "/certificates" "The certificates that are shown to partners." [] => 200 Certificates;
        get "/certificates/check" "The certificates in the files." [] => 200 Certificates;
        post "/certificates/reload" "Reads the certificate files again." [] => 200 Certificates;
        get "/tokens" "API tokens, without their secrets." [] => 200 Page<Token>;
        post "/tokens" "Makes a token; its secret is in this answer alone." [] NewToken => 201 TokenMade;
        delete "/tokens/{name}" "Takes a token back." [] => 204;
        get "/openapi.json" "This document." [] => 200 serde_json::Value;
        get "/whoami" "Who the caller is, and what they may do." [] => 200 WhoAmI;
        put "/whoami/password" "Changes the caller's own password." [] OwnPassword => 204;
    }
}

fn configuration() -> Vec<Told> {
    told! {
        get "/dns" "What to publish for internal domains, each line asked for now." ["domain"] => 200 Page<DnsZone>;
        get "/domains" "Internal domains." [] => 200 Page<Domain>;
        post "/domains" "Adds an internal domain." [] NewDomain => 201 Domain;
        get "/domains/{name}" "An internal domain." [] => 200 Domain;
        patch "/domains/{name}" "Changes what serves an internal domain." [] DomainChanges => 200 Domain;
        delete "/domains/{name}" "Removes an internal domain." [] => 204;
        post "/import" "Imports partners, contacts, settings, policies or users from a JSON or CSV file." ["dry_run" "skip_invalid" "kinds" "sites"] serde_json::Value => 200 Import;
        get "/partners" "Federation partners, by primary domain." ["after" "offset" "limit" "q" "state" "sort"] => 200 PartnerPage;
        post "/partners" "Adds a partner." ["dry_run"] NewPartner => 201 PartnerChanged;
        get "/partners/export" "All partners, as a file that import reads." ["format"] => 200 Vec<Partner>;
        get "/partners/{domain}" "The partner that a domain belongs to." [] => 200 Partner;
        get "/partners/{domain}/refusals" "What contact rules and access policies refused of its traffic." [] => 200 Refusals;
        patch "/partners/{domain}" "Changes a partner." ["dry_run"] PartnerChanges => 200 PartnerChanged;
        delete "/partners/{domain}" "Removes a partner: its streams end." [] => 204;
        get "/policies" "Access policies." [] => 200 Page<Policy>;
        post "/policies" "Adds an access policy for a site or for users." ["dry_run"] NewPolicy => 201 PolicyChanged;
        get "/policies/{identity}" "An access policy." [] => 200 Policy;
        patch "/policies/{identity}" "Changes an access policy." ["dry_run"] PolicyChanges => 200 PolicyChanged;
        delete "/policies/{identity}" "Removes an access policy; the global one is reset." [] => 204;
        get "/settings" "Gateway-wide settings." [] => 200 Settings;
        patch "/settings" "Changes settings, by their names." ["dry_run"] std::collections::BTreeMap<String, serde_json::Value> => 200 SettingsChanged;
        get "/settings/{name}" "A setting." [] => 200 Setting;
        get "/trunks" "Trunks with the state of their targets." [] => 200 Page<Trunk>;
        post "/trunks" "Adds a trunk." ["dry_run"] NewTrunk => 201 TrunkChanged;
        get "/trunks/{name}" "A trunk." [] => 200 Trunk;
        patch "/trunks/{name}" "Changes a trunk." ["dry_run"] TrunkChanges => 200 TrunkChanged;
        delete "/trunks/{name}" "Removes a trunk that serves no domain." [] => 204;
        post "/trunks/{name}/test" "Asks every target of a trunk, step by step." [] => 200 TrunkTest;
    }
}

fn people() -> Vec<Told> {
    told! {
        get "/contacts" "Contacts between internal users and partners' users." ["internal" "partner" "after" "limit"] => 200 Page<Contact>;
        post "/contacts" "Adds a contact in the internal user's name." [] ContactPair => 201 Contact;
        post "/contacts/accept" "Accepts an invitation." [] ContactPair => 200 Contact;
        post "/contacts/block" "Blocks a partner's user for an internal user." [] ContactPair => 200 Contact;
        post "/contacts/decline" "Declines an invitation." [] ContactPair => 200 Contact;
        post "/contacts/end" "Ends a contact." [] ContactPair => 200 Contact;
        post "/contacts/unblock" "Ends a block." [] ContactPair => 200 Contact;
        get "/invitations" "Invitations that wait for an answer." ["internal"] => 200 Page<Invitation>;
        get "/users" "Users of the built-in registrar." ["after" "limit"] => 200 Page<User>;
        post "/users" "Adds a user." [] NewUser => 201 User;
        get "/users/{address}" "A user." [] => 200 User;
        patch "/users/{address}" "Changes a user." [] UserChanges => 200 User;
        delete "/users/{address}" "Removes a user." [] => 204;
        get "/users/{address}/backend" "What serves an internal address." [] => 200 UserBackend;
        put "/users/{address}/backend" "Assigns an internal address to a backend of its domain." [] NewUserBackend => 200 UserBackend;
        put "/users/{address}/password" "Sets a user's password." [] NewPassword => 200 User;
        get "/users/{address}/policy" "The access policy in force for an internal address." [] => 200 UserPolicy;
        put "/users/{address}/policy" "Assigns a user policy to an internal address." [] NewUserPolicy => 200 UserPolicy;
    }
}

fn running() -> Vec<Told> {
    told! {
        get "/events" "What happens, as server-sent events; with Last-Event-ID from behind that report." [] => 200 Running;
        post "/messages/test" "Sends a marked message and tells each hop that it passes." [] NewMessageTest => 200 MessageTest;
        post "/probes" "Starts a probe of a domain with saved or unsaved settings." [] NewProbe => 202 Probe;
        get "/probes/{id}" "How a probe is getting on." [] => 200 Probe;
        delete "/probes/{id}" "Cancels a probe." [] => 204;
        get "/registrations" "What SIP users have registered." ["q" "after" "limit"] => 200 Page<Registration>;
        get "/reports" "Reports of connection attempts, newest first." ["partner" "strangers" "outcome" "direction" "after" "limit"] => 200 Page<Report>;
        get "/reports/{id}" "A report with every fact." [] => 200 Report;
        get "/status" "What the server is doing." [] => 200 Status;
        get "/streams" "Live streams, a row for each pair of domains." [] => 200 Page<Stream>;
        delete "/streams/{number}" "Closes a stream." ["reason"] => 204;
    }
}
