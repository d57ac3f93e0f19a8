//! Access policies, settings, internal domains, trunks, and what to publish.

words! { InsideWords
    policy_lead: "Which internal users may use XMPP federation. The closest policy counts: user before site before global. Policies are never merged.",
        "XMPP 페더레이션을 사용할 수 있는 내부 사용자. 가장 가까운 정책이 적용됩니다: 사용자, 사이트, 전역 순. 정책은 병합되지 않습니다.";
    new_policy: "New policy", "새 정책";
    edit_policy: "Edit policy {0}", "정책 {0} 편집";
    delete_policy: "Delete the policy {0}?", "정책 {0}을(를) 삭제하시겠습니까?";
    delete_policy_lead: "Its users then follow the next policy: that of their site, else Global.",
        "해당 사용자에게는 다음 정책(사이트 정책, 없으면 전역)이 적용됩니다.";
    which: "Which policy applies to", "적용되는 정책 확인";
    check: "Check", "확인";
    access: "XMPP access", "XMPP 액세스";
    no_access: "No XMPP access", "XMPP 액세스 없음";
    by_policy: "Policy {0}", "정책 {0}";
    policies: "Policies", "정책";
    policy: "Policy", "정책";
    scope: "Scope", "범위";
    scope_global: "Global", "전역";
    scope_site: "Site", "사이트";
    scope_user: "User", "사용자";
    site_rule: "All users of one internal domain. The name is that domain.", "내부 도메인 하나의 모든 사용자. 이름은 그 도메인입니다.";
    user_rule: "The users it is assigned to.", "할당된 사용자.";
    federation_access: "Federation access", "페더레이션 액세스";
    on: "On", "켬";
    off: "Off", "끔";
    users: "Users", "사용자";
    all_partners: "all partners", "모든 파트너";
    some_partners: "{0} partners only", "파트너 {0}개만";
    enable_federation: "Enable communications with federated users", "페더레이션 사용자와의 통신 사용";
    enable_federation_hint: "Needed for the next one.", "다음 항목에 필요합니다.";
    enable_xmpp: "Enable communications with XMPP federated users", "XMPP 페더레이션 사용자와의 통신 사용";
    enable_xmpp_hint: "Takes effect only together with the first. Without it an outbound message gets “403 XMPP federation is not enabled for you”; inbound, the user seems not to exist.",
        "첫 번째 항목과 함께일 때만 적용됩니다. 없으면 나가는 메시지는 “403 XMPP federation is not enabled for you”를 받고, 들어오는 쪽에는 사용자가 없는 것처럼 보입니다.";
    partners: "Partners", "파트너";
    partners_hint: "Primary domains, one a line. Empty: all enabled partners.", "주 도메인, 한 줄에 하나. 비우면 사용 중인 모든 파트너.";
    settings_lead: "Gateway-wide settings. A change reaches open streams within a second; no restart is needed.",
        "게이트웨이 전체 설정. 변경은 1초 안에 열린 스트림에 적용되며 다시 시작할 필요가 없습니다.";
    settings: "Settings", "설정";
    default_and_limits: "Default {0}; allowed {1}.", "기본값 {0}, 허용 {1}.";
    domains_lead: "The domains of your own users, what serves them, and what partners must find in public DNS.",
        "내부 사용자의 도메인, 이를 제공하는 시스템, 그리고 파트너가 공용 DNS에서 찾아야 하는 내용.";
    domains: "Internal domains", "내부 도메인";
    no_domains: "There is no internal domain yet. Without one nobody here can write to a partner.",
        "아직 내부 도메인이 없습니다. 내부 도메인이 없으면 파트너에게 메시지를 보낼 수 없습니다.";
    domain: "Domain", "도메인";
    backends: "Backends, in order", "백엔드(순서대로)";
    backends_hint: "One a line: registrar, component, xmpp, or trunk:NAME. The first serves all addresses that are assigned to no other.",
        "한 줄에 하나: registrar, component, xmpp 또는 trunk:이름. 첫 번째가 다른 곳에 할당되지 않은 모든 주소를 제공합니다.";
    connected: "Connected", "연결됨";
    not_connected: "Not connected", "연결 안 됨";
    new_domain: "New internal domain", "새 내부 도메인";
    edit_domain: "Edit the internal domain {0}", "내부 도메인 {0} 편집";
    delete_domain: "Delete the internal domain {0}?", "내부 도메인 {0}을(를) 삭제하시겠습니까?";
    delete_domain_lead: "Nobody at it can write or be written to any more, and all contacts of its addresses end.",
        "이 도메인의 누구도 메시지를 주고받을 수 없으며 모든 연락처가 종료됩니다.";
    secret: "Component secret", "구성 요소 비밀 값";
    secret_hint: "For the backend component (XEP-0114), at least 16 characters. Empty: it stays.",
        "component 백엔드(XEP-0114)용, 16자 이상. 비우면 유지됩니다.";
    server_targets: "Targets of the inner server", "내부 서버 대상";
    server_targets_hint: "For the backend xmpp: host:port, one a line.", "xmpp 백엔드용: 호스트:포트, 한 줄에 하나.";
    sources: "Sources", "원본 주소";
    sources_hint: "Addresses and networks that it connects from, one a line.", "연결해 오는 주소와 네트워크, 한 줄에 하나.";
    publish: "What to publish", "게시할 내용";
    publish_for: "What to publish for {0}", "{0}에 게시할 내용";
    publish_lead: "Lines for your DNS zone, each asked for now.", "DNS 영역에 넣을 줄. 각 줄을 지금 조회했습니다.";
    line: "Line", "줄";
    purpose: "Purpose", "용도";
    seen_now: "Seen in DNS now", "지금 DNS에서 보이는 값";
    dns_ok: "Published", "게시됨";
    dns_missing: "Missing", "없음";
    dns_differs: "Differs", "다름";
    dns_unknown: "Not known", "알 수 없음";
    ports: "Ports", "포트";
    ports_note: "Tried from this machine; what stands before it, such as a packet filter, must let them through.",
        "이 컴퓨터에서 확인했습니다. 앞에 있는 방화벽 등도 통과를 허용해야 합니다.";
    port_open: "Open", "열림";
    port_closed: "Closed", "닫힘";
    port_xmpp: "Partners’ servers (XMPP)", "파트너 서버(XMPP)";
    port_inner: "Inner XMPP servers", "내부 XMPP 서버";
    port_sip: "SIP", "SIP";
    optional: "optional", "선택 사항";
    check_now: "Check now", "지금 확인";
    certificate_names: "Certificate names", "인증서 이름";
    covered: "Covered, {0} days left", "포함됨, {0}일 남음";
    not_covered: "No certificate", "인증서 없음";
    trunks: "Trunks", "트렁크";
    no_trunks: "No trunk. A trunk is the way to a SIP deployment such as Skype for Business or Kamailio.",
        "트렁크가 없습니다. 트렁크는 Skype for Business나 Kamailio 같은 SIP 시스템으로 가는 경로입니다.";
    trunk: "Trunk", "트렁크";
    new_trunk: "New trunk", "새 트렁크";
    edit_trunk: "Edit the trunk {0}", "트렁크 {0} 편집";
    delete_trunk: "Delete the trunk {0}?", "트렁크 {0}을(를) 삭제하시겠습니까?";
    delete_trunk_lead: "No messages can go to that system any more.", "해당 시스템으로 메시지를 보낼 수 없게 됩니다.";
    test_of_trunk: "Test of the trunk {0}", "트렁크 {0} 테스트";
    test_passed: "Every target answers.", "모든 대상이 응답합니다.";
    test_failed: "Not every target answers.", "응답하지 않는 대상이 있습니다.";
    targets: "Targets", "대상";
    targets_hint: "Next hops in order: host or host:port, one a line. A host without port is asked for in DNS.",
        "다음 홉(순서대로): 호스트 또는 호스트:포트, 한 줄에 하나. 포트가 없으면 DNS에 묻습니다.";
    transport: "Transport", "전송";
    peer_names: "Names in its certificate", "인증서의 이름";
    peer_names_hint: "One a line. Needed with TLS.", "한 줄에 하나. TLS에 필요합니다.";
    roots: "Trusted roots", "신뢰할 수 있는 루트";
    roots_hint: "PEM, or system.", "PEM 또는 system.";
    congestion_safe: "Congestion safe", "혼잡 안전";
    congestion_safe_hint: "Every hop behind it uses TCP or TLS, so long messages may be sent whole.",
        "이후의 모든 홉이 TCP 또는 TLS를 사용하므로 긴 메시지를 나누지 않고 보낼 수 있습니다.";
    dialect: "Dialect", "방언";
    session_mode: "Session mode", "세션 모드";
    serves: "Domains", "도메인";
    standard: "Standard", "표준";
    pager: "Pager", "페이저";
    session: "Session", "세션";
    pager_rule: "MESSAGE outside of sessions.", "세션 밖의 MESSAGE.";
    session_rule: "Messages open sessions (INVITE).", "메시지로 세션(INVITE)을 엽니다.";
    standard_rule: "As the standards say.", "표준대로.";
    lync_rule: "Skype for Business, Lync.", "Skype for Business, Lync.";
    unknown_state: "Not asked yet", "아직 확인 안 함";
    round_trip: "answered in {0} ms", "{0} ms 만에 응답";
}
