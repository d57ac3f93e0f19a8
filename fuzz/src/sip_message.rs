//! Any bytes as a datagram and as a stream: no panic, and what was accepted is written so that it is accepted again.

use bytes::{Bytes, BytesMut};
use sip::{
    Limits, Message, Name, Response, Status,
    message::{Frame, StreamFramer, datagram},
};

/// One input.
pub(crate) fn run(data: &[u8]) {
    let limits = Limits::default();
    match datagram(Bytes::copy_from_slice(data), &limits) {
        Ok(Some(message)) => look(&message),
        Ok(None) => {}
        Err(mut defect) => {
            let target = defect.note_source(([192, 0, 2, 1], 5060).into());
            if let Some(answer) = target.and(defect.answer) {
                let _bytes = answer.to_bytes();
            }
        }
    }
    let (mut framer, mut buffer) = (StreamFramer::new(limits), BytesMut::new());
    for chunk in data.chunks(61) {
        buffer.extend_from_slice(chunk);
        loop {
            match framer.next(&mut buffer) {
                Ok(Some(Frame::Message(message))) => look(&message),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn look(message: &Message) {
    let headers = message.headers();
    let _views = (headers.content_type().is_ok(), headers.accept(), headers.expires(), headers.retry_after());
    let _credentials = headers.fields(Name::Authorization).filter_map(sip::digest::Credentials::parse).count();
    let again = datagram(message.to_bytes(), &Limits { head_bytes_max: usize::MAX, ..Limits::default() });
    assert!(matches!(again, Ok(Some(_))), "what is accepted is written so that it is accepted");
    if let Message::Request(request) = message {
        let mut request = request.clone();
        assert!(request.note_source(([192, 0, 2, 1], 5060).into()).is_ok(), "an accepted Via can be written");
        let answer = Response::to(&request, Status::OK, "tag");
        let read = datagram(answer.to_bytes(), &Limits { head_bytes_max: usize::MAX, ..Limits::default() });
        assert!(matches!(read, Ok(Some(Message::Response(_)))), "an answer can be read");
    }
}
