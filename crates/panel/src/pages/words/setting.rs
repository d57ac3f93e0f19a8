//! Name and meaning of the gateway-wide settings, in both languages.

use super::Language;

/// Name, what it does.
type Told = (&'static str, &'static str);

/// What a setting is called and does; none: it is not known here.
pub(crate) fn setting(language: Language, name: &str) -> Option<Told> {
    let (_, english, korean) = TABLE.iter().find(|(known, ..)| *known == name)?;
    Some(match language {
        Language::English => *english,
        Language::Korean => *korean,
    })
}

static TABLE: [(&str, Told, Told); 19] = [
    (
        "connection_limit",
        ("Connection limit", "Simultaneous connections of all partners."),
        ("연결 제한", "모든 파트너의 동시 연결 수."),
    ),
    (
        "partner_connection_limit",
        ("Partner connection limit", "Of one partner, unless it has its own limit."),
        ("파트너 연결 제한", "자체 제한이 없는 파트너 하나의 동시 연결 수."),
    ),
    (
        "keep_alive_interval",
        (
            "Keep-alive interval",
            "After this long without a sign of life the partner is asked for one. No answer within 60 s: closed.",
        ),
        ("연결 유지 간격", "이 시간 동안 응답이 없으면 파트너에게 확인합니다. 60초 안에 답이 없으면 닫습니다."),
    ),
    (
        "stream_establishment_timeout",
        ("Stream establishment timeout", "From the TCP connection to an authorised pair."),
        ("스트림 설정 제한 시간", "TCP 연결부터 도메인 쌍이 허용될 때까지."),
    ),
    (
        "stream_inactivity_timeout",
        ("Stream inactivity timeout", "Without stanzas for this long, a stream is closed cleanly."),
        ("스트림 유휴 제한 시간", "이 시간 동안 스탠자가 없으면 스트림을 정상적으로 닫습니다."),
    ),
    (
        "subscription_refresh_interval",
        ("Subscription refresh interval", "Longest time between two refreshes of a presence subscription, both ways."),
        ("구독 새로 고침 간격", "현재 상태 구독을 새로 고치는 최대 간격(양방향)."),
    ),
    (
        "dialback_passphrase",
        (
            "Dialback passphrase",
            "Secret that dialback keys are made from; the same on all nodes of a pool. Empty: it stays.",
        ),
        ("다이얼백 암호", "다이얼백 키를 만드는 비밀 값. 풀의 모든 노드에서 같아야 합니다. 비우면 유지됩니다."),
    ),
    (
        "log_message_bodies",
        ("Log message bodies", "The text of messages goes to the log; otherwise only endpoints and sizes."),
        ("메시지 본문 기록", "메시지 텍스트를 로그에 남깁니다. 끄면 주소와 크기만 남깁니다."),
    ),
    (
        "stanza_bytes_max",
        ("Largest stanza", "A larger stanza is refused. Partners are told the limit."),
        ("최대 스탠자 크기", "더 큰 스탠자는 거부합니다. 파트너에게 제한을 알립니다."),
    ),
    (
        "unauthenticated_bytes_max",
        ("Bytes before authorisation", "Largest element that a partner may send before its pair is authorised."),
        ("허용 전 바이트", "도메인 쌍이 허용되기 전에 파트너가 보낼 수 있는 최대 요소 크기."),
    ),
    (
        "queue_stanzas",
        ("Queue per pair, stanzas", "While no stream is up. Beyond it, the sender gets an error."),
        ("도메인 쌍별 대기열(스탠자)", "스트림이 없는 동안. 넘으면 보낸 사람이 오류를 받습니다."),
    ),
    (
        "queue_bytes",
        ("Queue per pair, bytes", "Memory of the stanzas kept for a pair."),
        ("도메인 쌍별 대기열(바이트)", "도메인 쌍 하나에 보관하는 스탠자의 메모리."),
    ),
    (
        "queue_bytes_total",
        ("All queues, bytes", "Memory of all stanzas kept."),
        ("전체 대기열(바이트)", "보관하는 모든 스탠자의 메모리."),
    ),
    (
        "queue_age",
        ("Longest wait in a queue", "Then the sender gets an error."),
        ("대기열 최대 대기 시간", "지나면 보낸 사람이 오류를 받습니다."),
    ),
    (
        "half_open_limit",
        ("Half-open connections", "Connections without an authorised pair."),
        ("미완료 연결", "허용된 도메인 쌍이 없는 연결 수."),
    ),
    (
        "half_open_per_address",
        ("Half-open connections per address", "The same from one address."),
        ("주소별 미완료 연결", "주소 하나에서 오는 미완료 연결 수."),
    ),
    (
        "partner_stanzas_per_second",
        ("Stanzas per second and partner", "With bursts of 10 s. Beyond it reading slows down."),
        ("파트너의 초당 스탠자", "10초 버스트 포함. 넘으면 읽기가 느려집니다."),
    ),
    (
        "allow_private_targets",
        (
            "Private targets",
            "Connect to loopback, link-local and private addresses: true, false, or networks such as 10.0.0.0/8,fd00::/8.",
        ),
        ("사설 주소 대상", "루프백, 링크 로컬, 사설 주소로 연결: true, false 또는 10.0.0.0/8,fd00::/8 같은 네트워크."),
    ),
    (
        "pager_message_type",
        ("Type of pager messages", "Type of the stanzas made from SIP MESSAGE requests: chat or normal."),
        ("페이저 메시지 유형", "SIP MESSAGE 요청으로 만드는 스탠자의 유형: chat 또는 normal."),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_name_in_both_languages() {
        for setting in &policy::settings::SETTINGS {
            for language in [Language::English, Language::Korean] {
                assert!(super::setting(language, setting.name).is_some(), "{}", setting.name);
            }
        }
    }
}
