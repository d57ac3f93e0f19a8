//! Korean for what the API says in English: faults of fields and ends of connection attempts, by their codes. What it says
//! beside, names and numbers, stands behind it as it is.

use super::Language;

/// The fault of a field in the language of the page; none: there is only the text of the API.
pub(crate) fn fault(language: Language, code: &str, message: &str) -> Option<String> {
    if language != Language::Korean {
        return None;
    }
    let (_, korean) = FAULTS.iter().find(|(known, _)| *known == code)?;
    Some(format!("{korean} ({message})"))
}

/// What happened in an attempt that ended with this code, and what to do; none: there is only the text of the API.
pub(crate) fn report(language: Language, code: &str) -> Option<(&'static str, &'static str)> {
    if language != Language::Korean {
        return None;
    }
    REPORTS.iter().find(|(known, ..)| *known == code).map(|(_, what, remedy)| (*what, *remedy))
}

/// What one step of an attempt was about and how it ended; none: there is only the text of the API.
pub(crate) fn step(language: Language, name: &str, result: &str) -> Option<String> {
    let (what, _) = report(language, result)?;
    // The last step is the end of the attempt, of which the code tells all.
    if name == "result" {
        return Some(what.to_owned());
    }
    let (_, subject) = STEPS.iter().find(|(known, _)| *known == name)?;
    Some(format!("{subject}: {}", if result == "ok" { "성공" } else { what }))
}

/// A hop of a test message or of the test of a trunk.
pub(crate) fn hop(language: Language, stage: &str, is_ok: bool) -> Option<String> {
    let (_, subject) = HOPS.iter().find(|(known, _)| language == Language::Korean && *known == stage)?;
    Some(format!("{subject}: {}", if is_ok { "성공" } else { "실패" }))
}

static HOPS: [(&str, &str); 9] = [
    ("sent", "보내기"),
    ("written", "스트림에 쓰기"),
    ("acknowledged", "파트너 서버의 확인"),
    ("delivered", "받는 쪽에 전달"),
    ("answered", "응답"),
    ("resolve", "주소 찾기"),
    ("connect", "연결"),
    ("tls", "TLS와 인증서"),
    ("options", "OPTIONS에 대한 응답"),
];

static STEPS: [(&str, &str); 7] = [
    ("lookup", "서버 찾기"),
    ("connect", "연결"),
    ("tls", "TLS"),
    ("certificate_chain", "인증서의 신뢰"),
    ("certificate_identity", "인증서의 이름"),
    ("offered", "서버가 제공한 방법"),
    ("method", "인증 방법"),
];

static FAULTS: [(&str, &str); 45] = [
    (
        "imported_as_optional",
        "원래 제품은 SASL이 필수여도 다이얼백을 사용했으므로 SASL을 선택 사항으로 가져옵니다. 허용되는 방법은 같습니다.",
    ),
    ("not_imported", "가져오지 않는 값입니다."),
    ("required", "값이 필요합니다."),
    ("not_internal", "내부 도메인이 아닙니다."),
    ("not_allowed", "여기서는 허용되지 않는 값입니다."),
    ("too_long", "너무 깁니다."),
    ("too_short", "너무 짧습니다."),
    ("too_many", "항목이 너무 많습니다."),
    ("not_a_partner", "페더레이션 파트너가 아닙니다."),
    ("not_a_choice", "허용되는 값이 아닙니다."),
    ("not_a_number", "숫자를 입력하십시오."),
    ("out_of_range", "허용 범위를 벗어났습니다."),
    ("wrong_type", "형식이 올바르지 않습니다."),
    ("unknown_field", "알 수 없는 필드입니다."),
    ("wrong", "암호가 올바르지 않습니다."),
    ("not_a_user", "사용자 주소가 아닙니다."),
    ("no_such_user", "그런 사용자가 없습니다."),
    ("identity_invalid", "정책 이름이 올바르지 않습니다."),
    ("site_invalid", "사이트=도메인 형식이어야 합니다."),
    ("pin_invalid", "고정 키가 올바르지 않습니다."),
    ("pem_invalid", "PEM 인증서를 읽을 수 없습니다."),
    ("not_registrar", "기본 제공 등록 서버의 도메인이 아닙니다."),
    ("not_for_users", "사용자에게 할당할 수 없는 정책입니다."),
    ("no_such_trunk", "그런 트렁크가 없습니다."),
    ("no_such_policy", "그런 정책이 없습니다."),
    ("host_invalid", "호스트 이름이 올바르지 않습니다."),
    ("domain_is_internal", "내부 도메인입니다."),
    ("domain_invalid", "도메인이 올바르지 않습니다."),
    ("time_invalid", "2026-11-23과 같은 날짜 또는 2026-11-23T08:28:00Z와 같은 시각을 입력하세요."),
    ("address_invalid", "주소가 올바르지 않습니다."),
    ("domain_in_use", "다른 파트너가 사용하는 도메인입니다."),
    ("domain_repeated", "같은 도메인이 두 번 입력되었습니다."),
    ("domain_exists", "이미 있는 도메인입니다."),
    ("domain_not_listed", "목록에 없는 도메인입니다."),
    ("network_invalid", "네트워크 주소가 올바르지 않습니다."),
    ("name_invalid", "이름이 올바르지 않습니다."),
    ("unknown_setting", "알 수 없는 설정입니다."),
    ("no_effect", "효과가 없는 값입니다."),
    ("lync_without_udp", "Lync 방언에는 UDP를 사용할 수 없습니다."),
    ("look_alike_domain", "다른 도메인과 비슷해 보이는 도메인입니다."),
    ("sasl_requires_tls", "SASL에는 TLS가 필요합니다."),
    ("no_authentication_method", "SASL 또는 다이얼백을 사용해야 합니다."),
    ("id_invalid", "식별자가 올바르지 않습니다."),
    ("unusable", "사용할 수 없습니다."),
    ("exists", "이미 있습니다."),
];

const ASK_PARTNER_CERTIFICATE: &str = "파트너 관리자가 인증서를 교체해야 합니다. 우리 쪽에서 변경할 내용은 없습니다.";
const COMPARE: &str = "파트너의 협상 설정을 파트너 서버가 지원하는 방법과 비교하십시오.";

static REPORTS: [(&str, &str, &str); 53] = [
    ("ok", "연결이 허용되었습니다.", ""),
    ("not_a_partner", "페더레이션 파트너가 아닌 도메인입니다.", "연결하려면 파트너로 추가하십시오."),
    ("partner_disabled", "파트너가 사용 안 함으로 설정되어 있습니다.", "연결하려면 파트너를 사용으로 설정하십시오."),
    (
        "not_internal",
        "내부 도메인이 아닌 도메인을 요청했습니다.",
        "내부 도메인으로 추가하거나 파트너에게 올바른 도메인을 알리십시오.",
    ),
    ("own_domain", "상대가 우리 도메인을 자신의 것이라고 했습니다.", "파트너 서버의 구성을 확인하도록 요청하십시오."),
    ("dns_failed", "DNS 서버가 응답하지 않았습니다.", "이 서버의 이름 서버와 네트워크를 확인하십시오."),
    (
        "dns_no_server",
        "DNS에 파트너의 서버가 없습니다.",
        "파트너에게 SRV 레코드를 게시하도록 요청하거나 프록시 FQDN을 설정하십시오.",
    ),
    (
        "dns_not_offered",
        "파트너가 DNS에서 이 서비스를 제공하지 않는다고 합니다.",
        "파트너 관리자에게 문의하거나 프록시 FQDN을 설정하십시오.",
    ),
    ("private_target", "DNS가 사설 주소를 가리킵니다.", "의도한 것이면 사설 주소 대상 설정에서 허용하십시오."),
    ("connect_refused", "파트너의 서버가 연결을 거부했습니다.", "파트너에게 서버와 방화벽을 확인하도록 요청하십시오."),
    ("unreachable", "파트너의 서버에 도달할 수 없습니다.", "이 서버의 네트워크를 확인하고 파트너에게 문의하십시오."),
    (
        "connect_timeout",
        "파트너의 서버가 연결에 응답하지 않았습니다.",
        "파트너에게 방화벽과 포트를 확인하도록 요청하십시오.",
    ),
    ("connect_failed", "파트너의 서버에 연결하지 못했습니다.", "이 서버의 네트워크를 확인하십시오."),
    ("timeout", "상대가 제때 응답하지 않았습니다.", "반복되면 파트너 관리자에게 문의하십시오."),
    (
        "starttls_absent",
        "파트너의 서버가 TLS를 제공하지 않습니다.",
        "파트너에게 TLS를 사용하도록 요청하거나 TLS 협상을 선택 사항으로 설정하십시오.",
    ),
    (
        "starttls_failed",
        "파트너의 서버가 TLS 시작을 거부했습니다.",
        "파트너 관리자에게 서버의 TLS 구성을 확인하도록 요청하십시오.",
    ),
    ("tls_required", "TLS가 필수이지만 사용되지 않았습니다.", COMPARE),
    (
        "tls_excluded",
        "파트너의 서버가 TLS를 요구하지만 설정에서 지원하지 않습니다.",
        "TLS 협상을 필수 또는 선택 사항으로 설정하십시오.",
    ),
    ("tls_failed", "TLS 핸드셰이크에 실패했습니다.", "파트너 관리자와 TLS 버전과 인증서를 확인하십시오."),
    (
        "certificate_missing",
        "상대가 인증서를 보이지 않았습니다.",
        "파트너에게 인증서를 사용하도록 요청하거나 SASL을 선택 사항으로, 다이얼백을 예로 설정하십시오.",
    ),
    ("certificate_malformed", "상대의 인증서를 읽을 수 없습니다.", ASK_PARTNER_CERTIFICATE),
    ("certificate_wrong_name", "상대의 인증서에 파트너의 도메인이 없습니다.", ASK_PARTNER_CERTIFICATE),
    ("certificate_expired", "상대의 인증서가 만료되었습니다.", ASK_PARTNER_CERTIFICATE),
    ("certificate_not_yet_valid", "상대의 인증서가 아직 유효하지 않습니다.", "두 서버의 시계를 확인하십시오."),
    (
        "certificate_self_signed",
        "상대의 인증서가 자체 서명되었습니다.",
        "파트너의 인증서를 신뢰할 수 있는 루트에 추가하거나 공인 인증서를 요청하십시오.",
    ),
    (
        "certificate_untrusted_issuer",
        "상대의 인증서를 발급한 기관을 신뢰하지 않습니다.",
        "발급 기관을 확인한 뒤 신뢰할 수 있는 루트에 추가하십시오.",
    ),
    ("certificate_wrong_purpose", "상대의 인증서가 이 용도로 발급되지 않았습니다.", ASK_PARTNER_CERTIFICATE),
    ("certificate_bad_signature", "상대의 인증서 서명이 올바르지 않습니다.", ASK_PARTNER_CERTIFICATE),
    ("certificate_revoked", "상대의 인증서가 해지되었습니다.", ASK_PARTNER_CERTIFICATE),
    (
        "certificate_pin_mismatch",
        "상대의 키가 고정 키와 다릅니다.",
        "파트너에게 새 키를 확인한 뒤 고정 키를 변경하십시오.",
    ),
    ("certificate_intermediate_missing", "상대가 중간 인증서를 보내지 않았습니다.", ASK_PARTNER_CERTIFICATE),
    ("external_absent", "파트너의 서버가 SASL EXTERNAL을 제공하지 않습니다.", COMPARE),
    ("external_failed", "SASL EXTERNAL이 실패했습니다.", "파트너 관리자에게 우리 인증서를 신뢰하는지 확인하십시오."),
    (
        "our_certificate_refused",
        "파트너의 서버가 우리 인증서를 거부했습니다.",
        "파트너가 신뢰하는 기관의 인증서를 사용하거나 파트너와 상의하십시오.",
    ),
    ("dialback_absent", "파트너의 서버가 다이얼백을 제공하지 않습니다.", COMPARE),
    (
        "dialback_refused",
        "다이얼백이 거부되었습니다.",
        "파트너의 서버가 DNS에서 우리 서버를 찾을 수 있는지 확인하십시오.",
    ),
    ("dialback_timeout", "다이얼백이 제때 끝나지 않았습니다.", "양쪽의 네트워크와 이름 서버를 확인하십시오."),
    (
        "dialback_invalid",
        "다이얼백 키가 올바르지 않습니다.",
        "모든 노드가 같은 다이얼백 암호를 사용하는지 확인하십시오.",
    ),
    ("method_not_permitted", "설정에서 허용하지 않는 방법입니다.", COMPARE),
    ("settings_changed", "설정이 변경되어 연결을 닫았습니다.", ""),
    ("connection_limit", "연결 제한에 도달했습니다.", "연결 제한을 늘리거나 파트너에게 문의하십시오."),
    ("stream_limit", "스트림이 제한을 넘었습니다.", "반복되면 파트너 관리자에게 문의하십시오."),
    ("partner_error", "파트너의 서버가 오류로 연결을 끝냈습니다.", "보고서의 오류를 파트너 관리자에게 전달하십시오."),
    (
        "partner_closed",
        "파트너의 서버가 연결을 끝냈습니다.",
        "반복되면 파트너 관리자에게 로그를 확인하도록 요청하십시오.",
    ),
    ("disconnected", "연결이 끊어졌습니다.", "반복되면 네트워크를 확인하십시오."),
    ("protocol_violation", "상대가 프로토콜을 위반했습니다.", "파트너 관리자에게 보고서를 전달하십시오."),
    ("xml_invalid", "상대가 잘못된 XML을 보냈습니다.", "파트너 관리자에게 보고서를 전달하십시오."),
    ("closed_here", "이 서버가 연결을 닫았습니다.", ""),
    ("shutdown", "서버가 중지되어 연결을 닫았습니다.", ""),
    ("cancelled", "취소되었습니다.", ""),
    ("same_side", "두 도메인이 같은 쪽에 있습니다.", "도메인 구성을 확인하십시오."),
    ("inner_server_unknown", "이 도메인을 제공하는 내부 서버가 없습니다.", "내부 도메인의 백엔드를 확인하십시오."),
    ("source_not_permitted", "허용되지 않은 주소에서 연결했습니다.", "내부 서버의 원본 주소를 확인하십시오."),
];

#[cfg(test)]
mod tests {
    use lexicon::report::Code;
    use policy::diagnosis;

    use super::*;

    #[test]
    fn every_step_of_an_attempt_is_told_in_korean() {
        let told = |name, result| step(Language::Korean, name, result);
        assert_eq!(told("tls", "ok").as_deref(), Some("TLS: 성공"));
        assert_eq!(told("connect", "connect_refused").as_deref(), Some("연결: 파트너의 서버가 연결을 거부했습니다."));
        for name in diagnosis::STEPS {
            assert!(told(name, "ok").is_some(), "{name}");
            assert!(step(Language::English, name, "ok").is_none());
        }
    }

    #[test]
    fn every_end_of_an_attempt_is_told_in_korean() {
        for code in Code::ALL {
            assert!(report(Language::Korean, code.as_str()).is_some(), "{code:?}");
            assert!(report(Language::English, code.as_str()).is_none());
        }
    }
}
