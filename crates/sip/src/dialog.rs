//! Dialogs (RFC 3261 §12): what two parties keep of each other, so that a request finds its way and its place.
//!
//! A [`Dialog`] is made of a request and its response, as the caller's side ([`Dialog::as_uac`]) or the called one
//! ([`Dialog::as_uas`]). It writes requests with its route set, loose or strict (§12.2.1.1), judges the order of those that
//! come (§12.2.2) and follows a peer that moves (target refresh). A peer of RFC 2543 without a tag has the tag "" (§12.1).
//!
//! A dialog is kept as text, about half a KiB; many are kept and few are used at once. [`Dialogs`] finds what belongs to a
//! request by Call-ID and our own tag alone: nobody can guess the tag, and all dialogs of one forked INVITE share it. Who
//! finds it compares the peer's tag ([`Dialog::is_of`]).
//!
//! `sips:` dialogs (§12.1.1, "secure flag") are left out: such requests are refused before.

use std::fmt;

use crate::message::{
    CSeq, Contacts, FieldError, HeaderError, Headers, MAGIC_COOKIE, Method, Name, NameAddr, Request, Response, Uri,
};

mod table;
#[cfg(test)]
mod tests;

pub use table::Dialogs;

/// Why there is no dialog, or no request in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DialogError {
    /// A field that the dialog is made of cannot be read, or is missing.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A field cannot be written.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// 2³¹ requests were sent.
    #[error("the dialog has no sequence number left")]
    Exhausted,
}

/// A request came out of order (§12.2.2): answer it 500.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the request came after a later one")]
pub struct OutOfOrder;

/// One side of a dialog.
#[derive(Clone, Eq, PartialEq)]
pub struct Dialog {
    call_id: Box<str>,
    /// From of our requests, with our tag.
    local: Box<str>,
    local_tag: Box<str>,
    /// To of our requests, with the peer's tag.
    remote: Box<str>,
    remote_tag: Box<str>,
    target: Box<str>,
    routes: Box<[Box<str>]>,
    local_number: u32,
    remote_number: Option<u32>,
}

impl Dialog {
    /// The dialog that `response` (101 to 299) makes for the sender of `request` (§12.1.2). A response without Contact
    /// leaves the target where it was.
    pub fn as_uac(request: &Request, response: &Response) -> Result<Self, DialogError> {
        let (asked, told) = (&request.headers, &response.headers);
        let mut routes = route_texts(told)?;
        routes.reverse();
        Ok(Self {
            call_id: asked.call_id()?.into(),
            local: text(asked, Name::From)?,
            local_tag: asked.from()?.tag().unwrap_or("").into(),
            remote: text(told, Name::To)?,
            remote_tag: told.to()?.tag().unwrap_or("").into(),
            target: contact(told)?.unwrap_or_else(|| request.uri.to_string().into()),
            routes: routes.into(),
            local_number: asked.cseq()?.number,
            remote_number: None,
        })
    }

    /// The dialog that a response with the tag `tag` makes for the receiver of `request` (§12.1.1). A caller of RFC 2543,
    /// whose branch does not say otherwise, may leave Contact out: then it is where its From says.
    pub fn as_uas(request: &Request, tag: &str) -> Result<Self, DialogError> {
        let asked = &request.headers;
        let from = asked.from()?;
        let is_old = asked.via().is_ok_and(|via| !via.branch().starts_with(MAGIC_COOKIE));
        let target = contact(asked)?.or_else(|| is_old.then(|| from.uri.to_string().into()));
        Ok(Self {
            call_id: asked.call_id()?.into(),
            local: format!("{};tag={tag}", text(asked, Name::To)?).into(),
            local_tag: tag.into(),
            remote: text(asked, Name::From)?,
            remote_tag: from.tag().unwrap_or("").into(),
            target: target.ok_or(FieldError::Missing("Contact"))?,
            routes: route_texts(asked)?.into(),
            local_number: 0,
            remote_number: Some(asked.cseq()?.number),
        })
    }

    /// The dialog that a NOTIFY makes for the sender of a SUBSCRIBE, whose number was `number` (RFC 6665 §4.4.1).
    pub fn as_subscriber(notify: &Request, number: u32) -> Result<Self, FieldError> {
        let told = &notify.headers;
        let (local, remote) = (told.to()?, told.from()?);
        Ok(Self {
            call_id: told.call_id()?.into(),
            local: text(told, Name::To)?,
            local_tag: local.tag().unwrap_or("").into(),
            remote: text(told, Name::From)?,
            remote_tag: remote.tag().unwrap_or("").into(),
            target: contact(told)?.ok_or(FieldError::Missing("Contact"))?,
            routes: route_texts(told)?.into(),
            local_number: number,
            remote_number: None,
        })
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// The peer's tag; empty for a peer of RFC 2543.
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Where the peer is: the Contact that it gave last.
    pub fn target(&self) -> Result<Uri, DialogError> {
        Ok(Uri::parse(&self.target)?)
    }

    /// Where our requests go first: the first route, else the target (§8.1.2).
    pub fn next_hop(&self) -> Result<Uri, DialogError> {
        match self.routes.first() {
            Some(route) => Ok(NameAddr::parse(route)?.uri),
            None => self.target(),
        }
    }

    /// Whether a request belongs to this dialog, and not to another of the same INVITE.
    pub fn is_of(&self, request: &Request) -> bool {
        let headers = &request.headers;
        let tag_is = |address: Result<NameAddr, FieldError>, tag: &str| {
            address.is_ok_and(|address| address.tag().unwrap_or("") == tag)
        };
        headers.call_id() == Ok(&*self.call_id)
            && tag_is(headers.from(), &self.remote_tag)
            && tag_is(headers.to(), &self.local_tag)
    }

    /// A new request in the dialog, with the next number (§12.2.1.1). Contact, if the method wants one, and body are added
    /// by the caller.
    pub fn request(&mut self, method: Method) -> Result<Request, DialogError> {
        let number = self.local_number + 1;
        if number >= 1 << 31 {
            return Err(DialogError::Exhausted);
        }
        self.local_number = number;
        self.write(method, number)
    }

    /// The ACK to a 2xx to the INVITE of this number (§13.2.2.4).
    pub fn ack(&self, number: u32) -> Result<Request, DialogError> {
        self.write(Method::Ack, number)
    }

    fn write(&self, method: Method, number: u32) -> Result<Request, DialogError> {
        let (uri, routes) = routed(Uri::parse(&self.target)?, &self.routes)?;
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, 70)?;
        for route in routes {
            headers.push(Name::Route, route)?;
        }
        headers.push(Name::From, &self.local)?;
        headers.push(Name::To, &self.remote)?;
        headers.push(Name::CallId, &self.call_id)?;
        headers.push(Name::CSeq, CSeq { number, method })?;
        Ok(request)
    }

    /// Takes note of a request in the dialog, which must not be an ACK or CANCEL (§12.2.2).
    pub fn receive(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let number = request.headers.cseq().map_err(|_| OutOfOrder)?.number;
        if self.remote_number.is_some_and(|last| number < last) {
            return Err(OutOfOrder);
        }
        self.remote_number = Some(number);
        Ok(())
    }

    /// Follows the Contact of a target refresh that succeeded: an INVITE or UPDATE of the peer, or the 2xx to one of ours
    /// (§12.2.1.2, §12.2.2). Without a readable one the target stays.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = target_in(headers) {
            self.target = target;
        }
    }

    pub(crate) fn set_target(&mut self, target: Box<str>) {
        self.target = target;
    }
}

/// The readable Contact that a message names as target.
pub(crate) fn target_in(headers: &Headers) -> Option<Box<str>> {
    contact(headers).ok().flatten()
}

/// The Request-URI and the Route fields of a request to `target` by a route set (§12.2.1.1): a loose first router leaves
/// the target in the Request-URI, a strict one takes its place and the target ends the list.
pub(crate) fn routed(target: Uri, routes: &[Box<str>]) -> Result<(Uri, Vec<String>), FieldError> {
    let first = routes.first().map(|route| NameAddr::parse(route)).transpose()?;
    let texts = routes.iter().map(|route| String::from(&**route));
    Ok(match first.filter(|first| !first.uri.params().has("lr")) {
        Some(strict) => {
            let last = NameAddr::new(target).to_string();
            (strict.uri.into_request_uri(), texts.skip(1).chain([last]).collect())
        }
        None => (target.into_request_uri(), texts.collect()),
    })
}

impl fmt::Debug for Dialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = (&self.call_id, &self.local_tag, &self.remote_tag);
        f.debug_tuple("Dialog").field(&names).finish_non_exhaustive()
    }
}

fn text(headers: &Headers, name: Name) -> Result<Box<str>, FieldError> {
    headers.first(name).map(Box::from).ok_or(FieldError::Missing(name.as_str()))
}

fn contact(headers: &Headers) -> Result<Option<Box<str>>, FieldError> {
    match headers.contacts()? {
        Contacts::All => Err(FieldError::Address),
        Contacts::List(list) => Ok(list.first().map(|contact| contact.uri.to_string().into())),
    }
}

/// Record-Route, each value readable.
fn route_texts(headers: &Headers) -> Result<Vec<Box<str>>, FieldError> {
    headers.values(Name::RecordRoute).map(|route| NameAddr::parse(route).map(|_| Box::from(route))).collect()
}
