//! Status codes and their usual reason phrases (RFC 3261 §21, RFC 3428, RFC 4028, RFC 6665).

use std::fmt;

/// A status code from 100 to 699.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident = $code:literal $phrase:literal)*) => {
        impl Status {
            $(#[doc = concat!(stringify!($code), " ", $phrase, ".")]
            pub const $name: Self = Self($code);)*

            /// The standard's phrase, or that of the class for a code without one.
            pub fn phrase(self) -> &'static str {
                match self.0 {
                    $($code => $phrase,)*
                    100..200 => "Session Progress",
                    200..300 => "OK",
                    300..400 => "Multiple Choices",
                    400..500 => "Bad Request",
                    500..600 => "Server Internal Error",
                    _ => "Busy Everywhere",
                }
            }
        }
    };
}

statuses! {
    TRYING = 100 "Trying"
    RINGING = 180 "Ringing"
    SESSION_PROGRESS = 183 "Session Progress"
    OK = 200 "OK"
    ACCEPTED = 202 "Accepted"
    MULTIPLE_CHOICES = 300 "Multiple Choices"
    MOVED_PERMANENTLY = 301 "Moved Permanently"
    MOVED_TEMPORARILY = 302 "Moved Temporarily"
    BAD_REQUEST = 400 "Bad Request"
    UNAUTHORIZED = 401 "Unauthorized"
    FORBIDDEN = 403 "Forbidden"
    NOT_FOUND = 404 "Not Found"
    METHOD_NOT_ALLOWED = 405 "Method Not Allowed"
    NOT_ACCEPTABLE = 406 "Not Acceptable"
    PROXY_AUTHENTICATION_REQUIRED = 407 "Proxy Authentication Required"
    REQUEST_TIMEOUT = 408 "Request Timeout"
    GONE = 410 "Gone"
    CONDITIONAL_REQUEST_FAILED = 412 "Conditional Request Failed"
    REQUEST_ENTITY_TOO_LARGE = 413 "Request Entity Too Large"
    URI_TOO_LONG = 414 "Request-URI Too Long"
    UNSUPPORTED_MEDIA_TYPE = 415 "Unsupported Media Type"
    UNSUPPORTED_URI_SCHEME = 416 "Unsupported URI Scheme"
    BAD_EXTENSION = 420 "Bad Extension"
    EXTENSION_REQUIRED = 421 "Extension Required"
    SESSION_INTERVAL_TOO_SMALL = 422 "Session Interval Too Small"
    INTERVAL_TOO_BRIEF = 423 "Interval Too Brief"
    TEMPORARILY_UNAVAILABLE = 480 "Temporarily Unavailable"
    NO_SUCH_TRANSACTION = 481 "Call/Transaction Does Not Exist"
    LOOP_DETECTED = 482 "Loop Detected"
    TOO_MANY_HOPS = 483 "Too Many Hops"
    ADDRESS_INCOMPLETE = 484 "Address Incomplete"
    BUSY_HERE = 486 "Busy Here"
    REQUEST_TERMINATED = 487 "Request Terminated"
    NOT_ACCEPTABLE_HERE = 488 "Not Acceptable Here"
    BAD_EVENT = 489 "Bad Event"
    REQUEST_PENDING = 491 "Request Pending"
    SERVER_INTERNAL_ERROR = 500 "Server Internal Error"
    NOT_IMPLEMENTED = 501 "Not Implemented"
    BAD_GATEWAY = 502 "Bad Gateway"
    SERVICE_UNAVAILABLE = 503 "Service Unavailable"
    SERVER_TIMEOUT = 504 "Server Time-out"
    VERSION_NOT_SUPPORTED = 505 "Version Not Supported"
    MESSAGE_TOO_LARGE = 513 "Message Too Large"
    BUSY_EVERYWHERE = 600 "Busy Everywhere"
    DECLINE = 603 "Decline"
    DOES_NOT_EXIST_ANYWHERE = 604 "Does Not Exist Anywhere"
    NOT_ACCEPTABLE_ANYWHERE = 606 "Not Acceptable"
}

impl Status {
    /// The status of `code`; `None` outside 100–699.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(Self(code)) } else { None }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether more answers follow (1xx).
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// Whether the request was accepted (2xx).
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// The first digit.
    pub const fn class(self) -> u16 {
        self.0 / 100
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
