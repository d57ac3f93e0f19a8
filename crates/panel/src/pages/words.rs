//! Every text of the pages, in both languages. A text that lacks one does not compile, and one that nobody shows is a
//! warning.

/// The language of a page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Language {
    #[default]
    English,
    Korean,
}

impl Language {
    /// The tag of the language (RFC 5646).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        match tag {
            "en" => Some(Self::English),
            "ko" => Some(Self::Korean),
            _ => None,
        }
    }

    /// The first of an `Accept-Language` (RFC 9110 §12.5.4) that we have. Browsers write their list in order.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        header.split(',').find_map(|range| Self::of_tag(range.trim().get(..2)?))
    }

    pub(crate) fn words(self) -> &'static Words {
        Words::of(self)
    }
}

macro_rules! words {
    ($table:ident $($name:ident: $english:literal, $korean:literal;)*) => {
        /// The texts.
        #[derive(Debug)]
        pub(crate) struct $table { $(pub(crate) $name: &'static str,)* }
        static ENGLISH: $table = $table { $($name: $english,)* };
        static KOREAN: $table = $table { $($name: $korean,)* };

        impl $table {
            pub(crate) fn of(language: $crate::pages::words::Language) -> &'static Self {
                match language {
                    $crate::pages::words::Language::English => &ENGLISH,
                    $crate::pages::words::Language::Korean => &KOREAN,
                }
            }

            /// Both, for who compares them.
            #[cfg(test)]
            pub(super) fn both() -> [String; 2] {
                [format!("{ENGLISH:?}"), format!("{KOREAN:?}")]
            }
        }
    };
}

mod inside;
pub(crate) mod korean;
mod operation;
mod people;
mod security;
mod setting;

pub(crate) use inside::InsideWords;
pub(crate) use operation::OperationWords;
pub(crate) use people::PeopleWords;
pub(crate) use security::SecurityWords;
pub(crate) use setting::setting;

words! { Words
    skip: "Skip to content", "본문으로 건너뛰기";
    menu: "Menu", "메뉴";
    product: "XMPP federation gateway", "XMPP 페더레이션 게이트웨이";
    overview: "Overview", "개요";
    domains_and_trunks: "Internal domains and trunks", "내부 도메인 및 트렁크";
    users: "Users", "사용자";
    monitoring: "Monitoring", "모니터링";
    security: "Security", "보안";
    access_policy: "External Access Policy", "외부 액세스 정책";
    access_edge: "Access Edge Configuration", "액세스 에지 구성";
    import: "Import and export", "가져오기 및 내보내기";
    streams: "Streams", "스트림";
    registrations: "Registrations", "등록";
    reports: "Reports", "보고서";
    test_message: "Test message", "테스트 메시지";
    administrators: "Administrators", "관리자";
    tokens: "API tokens", "API 토큰";
    certificates: "Certificates", "인증서";
    rows_changed: "{0} rows changed: show", "{0}개 행이 변경됨: 표시";
    keys: "Keys", "단축키";
    key_search: "Search", "검색";
    key_new: "New", "새로 만들기";
    key_refresh: "Refresh", "새로 고침";
    key_rows: "From row to row", "행 사이 이동";
    key_open: "Open the row", "행 열기";
    key_delete: "Delete the row, after a question", "확인 후 행 삭제";
    single_keys: "Single keys work outside of fields", "입력란 밖에서 단일 키 사용";
    audit: "Audit log", "감사 로그";
    account: "Your account", "내 계정";
    none: "None", "없음";
    remove: "Remove", "제거";
    test: "Test", "테스트";
    address: "Address", "주소";
    role: "Role", "역할";
    since: "Since", "시작";
    done_saved: "Saved.", "저장되었습니다.";
    skip_stage: "Skip", "건너뛰기";
    live: "Live", "실시간";
    not_live: "Not live; as of", "실시간 아님, 기준 시각:";
    cannot_be_undone: "This cannot be undone.", "되돌릴 수 없습니다.";
    refused_title: "Not possible", "수행할 수 없음";
    no_permission: "Your role may not do this.", "이 역할에는 권한이 없습니다.";
    needs_user_administrator: "Needs role administrator or user administrator", "관리자 또는 사용자 관리자 역할이 필요합니다";
    needs_prober: "Needs role administrator or help desk", "관리자 또는 기술 지원 역할이 필요합니다";
    needs_auditor: "Needs role administrator or viewer", "관리자 또는 읽기 전용 역할이 필요합니다";
    federation: "Federation and External Access", "페더레이션 및 외부 액세스";
    partners: "XMPP Federated Partners", "XMPP 페더레이션 파트너";
    signed_in_as: "Signed in as", "로그인 계정";
    sign_out: "Sign out", "로그아웃";
    sign_in: "Sign in", "로그인";
    language: "Language", "언어";
    name: "Name", "이름";
    password: "Password", "암호";
    forgotten: "Forgotten password: another administrator can reset it, or run legation admin passwd on this machine.",
        "암호를 잊은 경우: 다른 관리자가 다시 설정하거나 이 컴퓨터에서 legation admin passwd를 실행합니다.";
    wrong: "Name or password is wrong.", "이름 또는 암호가 올바르지 않습니다.";
    paused: "Too many attempts. Try again in 5 minutes.", "시도 횟수가 너무 많습니다. 5분 후에 다시 시도하십시오.";
    expired: "Your session had ended. Sign in again; what you entered is kept.",
        "세션이 종료되었습니다. 다시 로그인하십시오. 입력한 내용은 유지됩니다.";
    resume: "What you had entered", "입력했던 내용";
    resume_lead: "Nothing was done yet. Send it now; passwords have to be entered again.",
        "아직 아무것도 처리되지 않았습니다. 지금 보내십시오. 암호는 다시 입력해야 합니다.";
    resume_button: "Send it now", "지금 보내기";
    error: "Error", "오류";
    role_administrator: "administrator", "관리자";
    role_user_administrator: "user administrator", "사용자 관리자";
    role_help_desk: "help desk", "기술 지원";
    role_viewer: "viewer", "읽기 전용";
    partners_lead: "Only the domains listed here can send to or receive from this server's domains.",
        "여기에 등록된 도메인만 이 서버의 도메인과 메시지를 주고받을 수 있습니다.";
    new: "New", "새로 만들기";
    edit: "Edit", "편집";
    delete: "Delete…", "삭제…";
    enable: "Enable", "사용";
    disable: "Disable", "사용 안 함으로 설정";
    search: "Search", "검색";
    search_label: "Search domain or description", "도메인 또는 설명 검색";
    search_hint: "Domain or description; contoso.com also finds it.contoso.com",
        "도메인 또는 설명. contoso.com으로 it.contoso.com도 찾습니다";
    refresh: "Refresh", "새로 고침";
    all: "All", "전체";
    state: "State", "상태";
    state_up: "Up", "정상";
    state_degraded: "Degraded", "저하";
    state_down: "Down", "중단";
    state_not_tried: "Not tried yet", "시도 전";
    state_disabled: "Disabled", "사용 안 함";
    primary_domain: "Primary domain", "주 도메인";
    partner_type: "Partner type", "파트너 유형";
    dialback: "Dialback", "다이얼백";
    last_success: "Last success", "마지막 성공";
    warnings: "Warnings", "경고";
    actions: "Actions", "작업";
    none_yet: "No partner matches. Partners are added with New; until then nobody outside can write to this server's users.",
        "일치하는 파트너가 없습니다. 새로 만들기로 추가하기 전에는 외부에서 이 서버의 사용자에게 보낼 수 없습니다.";
    previous: "Previous page", "이전 페이지";
    next: "Next page", "다음 페이지";
    needs_administrator: "Needs role administrator", "관리자 역할이 필요합니다";
    federated: "Federated", "페더레이션";
    federated_rule: "Same enterprise or business partner. Its users may add and write to internal users and see their status notes.",
        "같은 기업 또는 비즈니스 파트너. 상대 사용자는 내부 사용자를 추가하고 메시지를 보내며 상태 메모를 볼 수 있습니다.";
    public_verified: "Public verified", "공용 확인됨";
    public_verified_rule: "Public provider that verifies its users. They may add and write; status notes are never sent.",
        "사용자를 확인하는 공용 공급자. 추가하고 메시지를 보낼 수 있으며 상태 메모는 보내지 않습니다.";
    public_unverified: "Public unverified", "공용 확인 안 됨";
    public_unverified_rule: "Any public provider. Its users may write only after the internal user has added or written to them.",
        "모든 공용 공급자. 내부 사용자가 먼저 추가하거나 메시지를 보낸 뒤에만 보낼 수 있습니다.";
    new_title: "New XMPP federated partner", "새 XMPP 페더레이션 파트너";
    edit_title: "Edit XMPP federated partner", "XMPP 페더레이션 파트너 편집";
    form_lead: "Ask the partner’s administrator for these settings first. Fields marked “required” cannot be empty.",
        "먼저 파트너 관리자에게 이 설정을 문의하십시오. “필수”로 표시된 필드는 비워 둘 수 없습니다.";
    required_mark: "required", "필수";
    primary_hint: "The base domain of the partner, for example fabrikam.example. It cannot be renamed later.",
        "파트너의 기본 도메인(예: fabrikam.example). 나중에 이름을 바꿀 수 없습니다.";
    description: "Description", "설명";
    description_hint: "Notes and contact data, at most 1,024 characters.", "메모와 연락처, 최대 1,024자.";
    additional_domains: "Additional domains", "추가 도메인";
    additional_hint: "One a line. Only domains listed here are allowed. Sub-domains are never implied. At most 256.",
        "한 줄에 하나. 여기에 등록된 도메인만 허용되며 하위 도메인은 포함되지 않습니다. 최대 256개.";
    connection_type: "Connection type", "연결 유형";
    tls_negotiation: "TLS negotiation", "TLS 협상";
    sasl_negotiation: "SASL negotiation", "SASL 협상";
    sasl_hint: "SASL EXTERNAL: the certificate proves who the partner is.", "SASL EXTERNAL: 인증서로 파트너를 확인합니다.";
    dialback_negotiation: "Support server dialback negotiation", "서버 다이얼백 협상 지원";
    dialback_hint: "Dialback asks DNS and the partner’s own server whether a stream is genuine.",
        "다이얼백은 DNS와 파트너의 서버에 스트림이 진짜인지 묻습니다.";
    required: "Required", "필수";
    optional: "Optional", "선택 사항";
    not_supported: "Not supported", "지원 안 함";
    tls_required: "A stream without TLS is refused.", "TLS가 없는 스트림은 거부됩니다.";
    tls_optional: "TLS is used when the partner offers it.", "파트너가 제공하면 TLS를 사용합니다.";
    tls_not_supported: "TLS is neither offered nor used.", "TLS를 제공하지도 사용하지도 않습니다.";
    sasl_required: "Only a trusted certificate authorises. Needs TLS.", "신뢰할 수 있는 인증서만 허용합니다. TLS가 필요합니다.";
    sasl_optional: "A trusted certificate, else dialback. Needs TLS.", "신뢰할 수 있는 인증서, 아니면 다이얼백. TLS가 필요합니다.";
    sasl_not_supported: "Certificates do not authorise; only dialback does.", "인증서로는 허용하지 않고 다이얼백으로만 허용합니다.";
    yes: "Yes", "예";
    no: "No", "아니요";
    dialback_yes: "Dialback is advertised and answered.", "다이얼백을 알리고 응답합니다.";
    dialback_no: "Not advertised; keys are never verified.", "알리지 않으며 키를 확인하지 않습니다.";
    permits: "What this permits", "허용되는 방법";
    sasl_over_tls: "SASL over TLS", "SASL over TLS";
    tls_dialback: "TLS dialback", "TLS 다이얼백";
    tcp_dialback: "TCP dialback", "TCP 다이얼백";
    permitted: "Permitted.", "허용됨.";
    because_tls_not_supported: "TLS is Not supported.", "TLS가 지원 안 함입니다.";
    because_tls_required: "TLS is Required.", "TLS가 필수입니다.";
    because_sasl_not_supported: "SASL is Not supported.", "SASL이 지원 안 함입니다.";
    because_sasl_required: "SASL is Required, so dialback alone does not authorise.",
        "SASL이 필수이므로 다이얼백만으로는 허용하지 않습니다.";
    because_sasl_offered: "SASL requires TLS.", "SASL에는 TLS가 필요합니다.";
    because_no_dialback: "Dialback is No.", "다이얼백이 아니요입니다.";
    no_method: "No method is left. No stream with this partner could be authorised, so Commit refuses this.",
        "남은 방법이 없습니다. 이 파트너와의 스트림을 허용할 수 없으므로 저장을 거부합니다.";
    to_make_valid: "To make it valid", "유효하게 하려면";
    set_to: "Set {0} to {1}", "{0}: {1}(으)로 설정";
    check: "Show what this permits", "허용되는 방법 보기";
    advanced: "Advanced", "고급";
    connection_limit: "Connection limit", "연결 제한";
    connection_limit_hint: "Connections over all domains of this partner, both directions. At least 2. Empty: the gateway-wide limit.",
        "이 파트너의 모든 도메인에 대한 양방향 연결. 최소 2. 비우면 게이트웨이 전체 제한을 사용합니다.";
    keep_alive: "Enable keep-alive", "연결 유지 사용";
    keep_alive_hint: "A silent stream is asked for a sign of life; without one it is closed.",
        "조용한 스트림에 응답을 요구하고, 응답이 없으면 닫습니다.";
    proxy_fqdn: "Proxy FQDN", "프록시 FQDN";
    proxy_fqdn_hint: "Host or host:port to connect to instead of asking DNS. The certificate must still match the partner’s domain. Empty: DNS.",
        "DNS 대신 연결할 호스트 또는 호스트:포트. 인증서는 여전히 파트너의 도메인과 일치해야 합니다. 비우면 DNS를 사용합니다.";
    trust_roots: "Trusted roots", "신뢰할 수 있는 루트";
    trust_roots_hint: "Certificate authorities accepted for this partner, in PEM. Empty: those of the system.",
        "이 파트너에 허용되는 인증 기관(PEM). 비우면 시스템의 인증 기관을 사용합니다.";
    pins: "Pins", "고정 키";
    pins_hint: "SHA-256 of the partner’s public key (SPKI), one a line. If set, the key must be one of them.",
        "파트너 공개 키(SPKI)의 SHA-256, 한 줄에 하나. 지정하면 키가 그중 하나여야 합니다.";
    enabled: "Enabled", "사용";
    enabled_hint: "If off, the settings are kept and no stream is accepted or opened.",
        "끄면 설정은 유지되고 스트림을 받거나 열지 않습니다.";
    commit: "Commit", "저장";
    cancel: "Cancel", "취소";
    close: "Close", "닫기";
    test_now: "Test now", "지금 테스트";
    test_hint: "Probes the partner with these unsaved settings and saves nothing.",
        "저장하지 않은 설정으로 파트너를 시험하며 아무것도 저장하지 않습니다.";
    test_of: "Test of {0}", "{0} 테스트";
    test_lead: "With the settings that are not saved yet. Nothing is saved and no message is sent.",
        "아직 저장하지 않은 설정을 사용합니다. 아무것도 저장하지 않으며 메시지도 보내지 않습니다.";
    test_running: "In progress", "진행 중";
    test_cancelled: "Cancelled", "취소됨";
    cancel_test: "Cancel the test", "테스트 취소";
    back_to_form: "Back to the form", "양식으로 돌아가기";
    fitting: "Settings that would fit", "맞는 설정";
    fitting_lead: "Nothing is saved until you press Commit in the form.", "양식에서 저장을 누르기 전에는 저장되지 않습니다.";
    fill_in: "Fill in", "채우기";
    what_happened: "What happened", "진행 과정";
    report: "Report", "보고서";
    inbound: "inbound", "인바운드";
    outbound: "outbound", "아웃바운드";
    passed: "Passed", "통과";
    failed: "Failed", "실패";
    not_saved: "Not saved", "저장되지 않음";
    saved: "Saved: {0}", "저장됨: {0}";
    changed_meanwhile: "Somebody else has changed this partner in the meantime. What you entered is kept below; Commit saves it over their change.",
        "그사이 다른 사용자가 이 파트너를 변경했습니다. 입력한 내용은 아래에 남아 있으며, 저장하면 그 변경을 덮어씁니다.";
    delete_title: "Delete the partner {0}?", "파트너 {0}을(를) 삭제하시겠습니까?";
    delete_lead: "Its streams are closed and its pending invitations are removed. Nobody of its domains can write to this server’s users any more. To stop it for a while, disable it instead.",
        "스트림이 닫히고 대기 중인 초대가 제거됩니다. 해당 도메인의 누구도 이 서버의 사용자에게 보낼 수 없습니다. 잠시 중지하려면 사용 안 함으로 설정하십시오.";
    delete_button: "Delete {0}", "{0} 삭제";
    stale: "This page was sent from elsewhere, or is too old. Open it again.",
        "이 페이지는 다른 곳에서 보냈거나 너무 오래되었습니다. 다시 여십시오.";
    commit_again: "Commit again if it is meant so.", "의도한 것이면 다시 저장하십시오.";
    affected: "The change of type affects {0} contacts. Commit again to make it.",
        "유형 변경이 연락처 {0}개에 영향을 줍니다. 변경하려면 다시 저장하십시오.";
    invalid_sasl_requires_tls: "SASL requires TLS. Set TLS negotiation to Required or Optional, or SASL negotiation to Not supported.",
        "SASL에는 TLS가 필요합니다. TLS 협상을 필수 또는 선택 사항으로, 또는 SASL 협상을 지원 안 함으로 설정하십시오.";
    invalid_no_method: "SASL or dialback must be enabled. Set dialback to Yes, or SASL and TLS to Required or Optional.",
        "SASL 또는 다이얼백을 사용해야 합니다. 다이얼백을 예로, 또는 SASL과 TLS를 필수나 선택 사항으로 설정하십시오.";
    warn_dialback_inoperative: "SASL is required, so dialback is never used with this partner.",
        "SASL이 필수이므로 이 파트너에는 다이얼백을 사용하지 않습니다.";
    warn_tls_optional_with_sasl: "SASL works only over TLS; where the partner does not negotiate TLS, SASL is not available.",
        "SASL은 TLS에서만 작동합니다. 파트너가 TLS를 협상하지 않으면 SASL을 사용할 수 없습니다.";
    warn_plaintext_possible: "Where the partner does not negotiate TLS, messages cross the network unencrypted.",
        "파트너가 TLS를 협상하지 않으면 메시지가 암호화되지 않은 채 전송됩니다.";
    warn_plaintext_only: "All messages of this partner cross the network unencrypted.",
        "이 파트너의 모든 메시지가 암호화되지 않은 채 전송됩니다.";
    plaintext: "Plaintext", "평문";
    field_required: "A value is needed.", "값이 필요합니다.";
}

impl Words {
    /// `text` with its places filled.
    pub(crate) fn fill(text: &str, values: &[&str]) -> String {
        let with = |text: String, (index, value): (usize, &&str)| text.replace(&format!("{{{index}}}"), value);
        values.iter().enumerate().fold(text.to_owned(), with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_chooses_and_english_is_for_all_others() {
        for (header, language) in [
            ("ko-KR,ko;q=0.9,en;q=0.8", Some(Language::Korean)),
            ("de-DE, en-GB;q=0.7", Some(Language::English)),
            ("fr", None),
            ("", None),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }

    /// The same places in both languages.
    #[test]
    fn every_place_is_in_both_languages() {
        let tables =
            [Words::both(), InsideWords::both(), OperationWords::both(), PeopleWords::both(), SecurityWords::both()];
        for [english, korean] in tables {
            for place in ["{0}", "{1}"] {
                assert_eq!(english.matches(place).count(), korean.matches(place).count(), "{english}");
            }
        }
        assert_eq!(Words::fill("a {1} b {0}", &["x", "y"]), "a y b x");
    }
}
