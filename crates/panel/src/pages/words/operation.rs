//! What is going on: overview, streams, reports, and the page of a partner.

words! { OperationWords
    partners: "Partners", "파트너";
    streams: "Streams", "스트림";
    streams_split: "{0} outbound, {1} inbound", "아웃바운드 {0}개, 인바운드 {1}개";
    sessions: "Message sessions", "메시지 세션";
    refusals: "Refused or dropped", "거부 또는 폐기";
    since_start: "since", "시작:";
    attention: "Needs attention", "조치 필요";
    nothing: "Nothing needs attention.", "조치할 항목이 없습니다.";
    place: "Where", "위치";
    why: "Why", "이유";
    what_to_do: "What to do", "할 일";
    see_report: "See the report", "보고서 보기";
    plaintext: "Plaintext", "평문";
    plaintext_now: "Messages cross the network unencrypted now.", "지금 메시지가 암호화되지 않은 채 전송되고 있습니다.";
    test_tls: "Test whether TLS works", "TLS 작동 여부 테스트";
    trunk_down: "Target {0}: {1}", "대상 {0}: {1}";
    test_trunk: "Test the trunk", "트렁크 테스트";
    certificate: "Certificate", "인증서";
    days_left: "{0} days left", "{0}일 남음";
    renew: "Renew it", "갱신";
    warning: "Warning", "경고";
    certificates: "Certificates about to expire", "곧 만료되는 인증서";
    no_certificates: "None within 30 days.", "30일 안에 만료되는 인증서가 없습니다.";
    ours: "ours", "우리 인증서";
    of_partner: "partner", "파트너";
    whose: "Whose", "소유";
    days: "Days left", "남은 일수";
    last_failures: "Last failures", "최근 실패";
    by_reason: "Refusals by reason", "이유별 거부";
    no_refusals: "Nothing was refused.", "거부된 항목이 없습니다.";
    reason: "Reason", "이유";
    count: "Count", "수";
    time: "Time", "시각";
    partner: "Partner", "파트너";
    streams_lead: "Connections with partners and inner servers, a row for each pair of domains.",
        "파트너 및 내부 서버와의 연결. 도메인 쌍마다 한 줄입니다.";
    no_streams: "No stream is open. Streams are opened when somebody writes.", "열린 스트림이 없습니다. 메시지를 보낼 때 열립니다.";
    pair: "Direction and domain pair", "방향 및 도메인 쌍";
    method: "Method", "방법";
    peer: "Peer", "상대";
    close: "Close", "닫기";
    registrations_lead: "Endpoints that users of the SIP registrar have registered.", "SIP 등록 서버의 사용자가 등록한 단말입니다.";
    no_registrations: "No registration matches.", "일치하는 등록이 없습니다.";
    endpoint: "Endpoint", "단말";
    transport: "Transport", "전송";
    valid_for: "Valid for, s", "남은 유효 시간(초)";
    does_not_answer: "Does not answer", "응답 없음";
    reports_lead: "Connection attempts, newest first: what happened step by step, and who can end a failure.",
        "연결 시도(최신 순): 단계별 진행 과정과 실패를 해결할 수 있는 쪽.";
    no_reports: "No report matches.", "일치하는 보고서가 없습니다.";
    outcome: "Outcome", "결과";
    success: "Success", "성공";
    failure: "Failure", "실패";
    direction: "Direction", "방향";
    any: "Any", "전체";
    filter: "Filter", "필터";
    authorised: "Authorised", "허용됨";
    failed: "Failed", "실패";
    result: "Result", "결과";
    by_direction: "State per direction", "방향별 상태";
    last_success: "Last success", "마지막 성공";
    last_failure: "Last failure", "마지막 실패";
    never: "never", "없음";
    settings: "Settings", "설정";
    permits: "Permits", "허용";
    gateway_wide: "gateway-wide", "게이트웨이 전체";
    dns_is_asked: "none, DNS is asked", "없음, DNS에 묻습니다";
    system_roots: "those of the system", "시스템의 인증 기관";
    own_roots: "its own", "자체";
    recent_reports: "Recent reports", "최근 보고서";
    all_reports: "All reports", "모든 보고서";
    pending: "Pending invitations", "대기 중인 초대";
    no_pending: "None.", "없음.";
    from: "From", "보낸 사람";
    to: "To", "받는 사람";
    message_lead: "Sends a marked message to an address and shows the time of each hop and the answer. It opens no contact and asks no contact rule.",
        "표시가 있는 메시지를 주소로 보내고 각 구간의 시간과 응답을 보여 줍니다. 연락처를 만들지 않으며 연락처 규칙을 적용하지 않습니다.";
    message_to_hint: "A partner’s user, or one of ours.", "파트너의 사용자 또는 내부 사용자.";
    message_from_hint: "An internal address. Empty: postmaster of the first internal domain.",
        "내부 주소. 비우면 첫 내부 도메인의 postmaster.";
    send: "Send", "보내기";
    reached: "Nothing went wrong.", "문제가 없습니다.";
    not_reached: "The recipient was not reached.", "받는 사람에게 전달되지 않았습니다.";
    audit: "Audit", "감사";
}
