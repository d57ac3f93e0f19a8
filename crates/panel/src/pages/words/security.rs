//! Administrators, tokens, certificates, audit log, import and export, and setting up.

words! { SecurityWords
    setup: "Set up", "설정";
    setup_lead: "Until you add a partner, no outside domain can send or receive. Everything here can be changed later.",
        "파트너를 추가하기 전에는 외부 도메인이 메시지를 주고받을 수 없습니다. 모든 내용은 나중에 변경할 수 있습니다.";
    stage_administrator: "1. Administrator", "1. 관리자";
    stage_domain: "2. Internal domain", "2. 내부 도메인";
    stage_publish: "3. What to publish", "3. 게시할 내용";
    stage_partner: "4. First partner", "4. 첫 파트너";
    first_administrator: "First administrator", "첫 관리자";
    works_once: "This link works once, until {0} UTC.", "이 링크는 {0} UTC까지 한 번만 사용할 수 있습니다.";
    link_gone: "This link does not work: it was used, or its hour is over. Run legation admin add on this machine.",
        "이 링크는 사용할 수 없습니다. 이미 사용되었거나 한 시간이 지났습니다. 이 컴퓨터에서 legation admin add를 실행하십시오.";
    go_on: "Continue", "계속";
    moving: "Moving from the original? After the domain, Import and export reads its partners, policies and settings.",
        "원래 제품에서 이전하는 경우: 도메인 다음에 가져오기 및 내보내기에서 파트너, 정책, 설정을 읽습니다.";
    administrators_lead: "Who may sign in here, and what each may do.", "로그인할 수 있는 사람과 각자의 권한.";
    new_administrator: "New administrator", "새 관리자";
    edit_administrator: "Edit the administrator {0}", "관리자 {0} 편집";
    delete_administrator: "Delete the administrator {0}?", "관리자 {0}을(를) 삭제하시겠습니까?";
    delete_administrator_lead: "Their sessions end at once.", "세션이 즉시 종료됩니다.";
    created: "Created", "만든 시각";
    password_hint: "At least 12 characters. Length counts, not special characters.",
        "12자 이상. 특수 문자가 아니라 길이가 중요합니다.";
    new_password_hint: "At least 12 characters. Empty: it stays. A new one ends their sessions.",
        "12자 이상. 비우면 유지됩니다. 새 암호는 세션을 종료합니다.";
    rule_administrator: "Everything.", "모든 작업.";
    rule_user_administrator: "Users, their contacts and which policy they have.", "사용자, 연락처, 정책 할당.";
    rule_help_desk: "Looks, and tests partners.", "조회 및 파트너 테스트.";
    rule_viewer: "Looks, also at the audit log.", "조회, 감사 로그 포함.";
    may_sign_in: "May sign in", "로그인 허용";
    tokens_lead: "For programs that use the API. A token belongs to nobody and ends on its day.",
        "API를 사용하는 프로그램용. 토큰은 누구에게도 속하지 않으며 기한에 만료됩니다.";
    new_token: "New token", "새 토큰";
    no_tokens: "There are no tokens.", "토큰이 없습니다.";
    ends: "Ends", "만료";
    made_by: "Made by", "만든 사람";
    expired: "Expired", "만료됨";
    days: "Days", "일수";
    days_hint: "1 to 3,650. The token ends after that.", "1~3,650. 이후 토큰이 만료됩니다.";
    token_made: "The token {0}", "토큰 {0}";
    token_made_lead: "It is shown only now. Send it as “Authorization: Bearer …”.",
        "지금만 표시됩니다. “Authorization: Bearer …”로 보내십시오.";
    delete_token: "Delete the token {0}?", "토큰 {0}을(를) 삭제하시겠습니까?";
    delete_token_lead: "Programs that use it are refused from then on.", "이 토큰을 사용하는 프로그램은 거부됩니다.";
    certificates_lead: "What this server shows to partners: names covered, names needed, days left.",
        "이 서버가 파트너에게 보이는 인증서: 포함된 이름, 필요한 이름, 남은 일수.";
    no_certificates: "This server shows no certificate. Streams are possible without TLS alone.",
        "이 서버는 인증서를 보이지 않습니다. TLS 없는 스트림만 가능합니다.";
    names: "Names", "이름";
    issuer: "Issuer", "발급자";
    days_left: "Days left", "남은 일수";
    for_domains: "Shown for", "사용 도메인";
    reload: "Read the files again", "파일 다시 읽기";
    reloaded: "The files were read again.", "파일을 다시 읽었습니다.";
    without: "No certificate names {0}", "{0}에 대한 인증서가 없습니다";
    audit_lead: "Every change. Entries cannot be edited or removed; each carries the hash of the one before.",
        "모든 변경 내역. 항목은 편집하거나 제거할 수 없으며 각각 앞 항목의 해시를 담고 있습니다.";
    intact: "Chain intact, {0} entries", "체인 정상, 항목 {0}개";
    broken: "The chain is broken: {0}", "체인이 손상됨: {0}";
    verify: "Check the chain", "체인 확인";
    export_csv: "Export CSV", "CSV 내보내기";
    export_json: "Export JSON", "JSON 내보내기";
    audit_subject: "Subject: partner, user, setting", "대상: 파트너, 사용자, 설정";
    audit_who: "Who", "사용자";
    audit_action: "What: partner, partner.added", "작업: partner, partner.added";
    audit_since: "From: 2026-11-23", "시작일: 2026-11-23";
    audit_until: "To: 2026-11-27", "종료일: 2026-11-27";
    who: "Who, from where", "사용자, 위치";
    what: "What", "작업";
    time: "Time (UTC)", "시각(UTC)";
    before: "Before", "이전";
    after: "After", "이후";
    no_entries: "No entry matches.", "일치하는 항목이 없습니다.";
    import_lead: "Partners, contacts and users from our own export or from the original’s cmdlets (ConvertTo-Json, Export-Csv).",
        "자체 내보내기 또는 원래 제품 cmdlet(ConvertTo-Json, Export-Csv)의 파트너, 연락처, 사용자.";
    import_text: "What to import", "가져올 내용";
    import_hint: "JSON or CSV. Nothing is saved before you have seen what would change.",
        "JSON 또는 CSV. 변경 내용을 확인하기 전에는 저장하지 않습니다.";
    sites: "Sites of the original", "원래 제품의 사이트";
    sites_hint: "Site=domain, by commas: Redmond=contoso.example.", "사이트=도메인, 쉼표로 구분: Redmond=contoso.example.";
    dry_run: "Show what would change", "변경 내용 보기";
    would_change: "What would change", "변경될 내용";
    has_changed: "What has changed", "변경된 내용";
    nothing_saved: "Nothing is saved yet.", "아직 저장하지 않았습니다.";
    row: "Row", "행";
    subject: "Subject", "대상";
    action: "Action", "작업";
    adds: "New", "추가";
    changes: "Changed", "변경";
    unchanged: "Unchanged", "변경 없음";
    invalid: "Invalid", "잘못됨";
    details: "Details", "세부 정보";
    no_rows: "There are no rows.", "행이 없습니다.";
    gains: "Gain access", "액세스를 얻는 사용자";
    loses: "Lose access", "액세스를 잃는 사용자";
    import_now: "Import", "가져오기";
    skip_invalid: "Leave invalid rows out", "잘못된 행 제외";
    skip_invalid_hint: "Otherwise one invalid row saves nothing.", "선택하지 않으면 잘못된 행이 하나라도 있으면 저장하지 않습니다.";
    export: "Export of all partners", "모든 파트너 내보내기";
    export_note: "What Import reads.", "가져오기에서 읽을 수 있는 형식입니다.";
}
