//! The namespace bindings in force (Namespaces in XML 1.0 §3, §6).

use crate::xml::{
    XmlFault,
    batch::Inherited,
    ns,
    token::{Borrows, Name, Namespace, Span},
    unescape,
};

/// Bindings made within one first-level element, over those of the stream header.
pub(super) struct Scopes<'a> {
    text: &'a str,
    inherited: &'a Inherited,
    /// The default namespace of the stream header.
    inherited_default: Namespace,
    /// The default namespace in force, and at which depth it was declared; none for the stream header's.
    default: (Namespace, Option<u32>),
    bindings: Vec<Binding>,
    unescaped: Vec<Box<str>>,
    borrows: Borrows,
}

#[derive(Clone, Copy)]
struct Binding {
    prefix: Span,
    value: Span,
    namespace: Namespace,
    /// How many elements are open around the one that declares it; 0 for the first-level element.
    depth: u32,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(text: &'a str, inherited: &'a Inherited) -> Self {
        let inherited_default = inherited_binding(inherited, "").unwrap_or(Namespace::None);
        let (bindings, unescaped) = (Vec::new(), Vec::new());
        let default = (inherited_default, None);
        Self { text, inherited, inherited_default, default, bindings, unescaped, borrows: Borrows::default() }
    }

    pub(super) fn clear(&mut self) {
        self.bindings.clear();
        self.default = (self.inherited_default, None);
        self.borrows = Borrows::default();
    }

    pub(super) fn into_unescaped(self) -> Box<[Box<str>]> {
        self.unescaped.into_boxed_slice()
    }

    /// What the content of the first-level element has used of the bindings around it.
    pub(super) fn borrows(&self) -> Borrows {
        self.borrows
    }

    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Drops the bindings of an element that has `depth` open around it.
    #[inline]
    pub(super) fn leave(&mut self, depth: u32) {
        if self.bindings.last().is_none_or(|binding| binding.depth < depth) {
            return;
        }
        while self.bindings.last().is_some_and(|binding| binding.depth >= depth) {
            self.bindings.pop();
        }
        let default = self.bindings.iter().rev().find(|binding| binding.prefix.len() == 0);
        self.default =
            default.map_or((self.inherited_default, None), |binding| (binding.namespace, Some(binding.depth)));
    }

    /// Puts a declaration in force. `token` is where its token stands; `plain` when its value holds no reference.
    pub(super) fn declare(
        &mut self,
        prefix: Span,
        (value, plain): (Span, bool),
        token: u32,
        depth: u32,
    ) -> Result<Namespace, XmlFault> {
        let name = unescape::attribute(value.of(self.text), plain);
        let namespace = match (prefix.of(self.text), &*name) {
            ("xml", ns::XML) => Namespace::Xml,
            ("xml" | "xmlns", _) | (_, ns::XML | ns::XMLNS) => return Err(XmlFault::NamespaceDeclaration),
            ("", "") => Namespace::None,
            (_, "") => return Err(XmlFault::NamespaceDeclaration),
            _ if plain => Namespace::Declared(token),
            _ => {
                self.unescaped.push(name.into());
                Namespace::Unescaped(self.unescaped.len() as u32 - 1)
            }
        };
        self.bindings.push(Binding { prefix, value, namespace, depth });
        if prefix.len() == 0 {
            self.default = (namespace, Some(depth));
        }
        Ok(namespace)
    }

    /// The namespace of an element with `depth` open around it.
    pub(super) fn of_element(&mut self, name: Name, depth: u32) -> Result<Namespace, XmlFault> {
        if name.local_at == 0 {
            let (namespace, bound_at) = self.default;
            self.borrows.default |= is_borrowed(depth, bound_at);
            return Ok(namespace);
        }
        match name.prefix(self.text) {
            "xml" => Ok(Namespace::Xml),
            "xmlns" => Err(XmlFault::NamespaceDeclaration),
            prefix => {
                let (namespace, bound_at) = self.bound(prefix).ok_or(XmlFault::UnboundPrefix)?;
                self.borrows.prefix |= is_borrowed(depth, bound_at);
                Ok(namespace)
            }
        }
    }

    /// The namespace of an attribute: none without a prefix.
    pub(super) fn of_attribute(&mut self, name: Name, depth: u32) -> Result<Namespace, XmlFault> {
        match name.prefix(self.text) {
            "" => Ok(Namespace::None),
            "xml" => Ok(Namespace::Xml),
            prefix => {
                let (namespace, bound_at) = self.bound(prefix).ok_or(XmlFault::UnboundPrefix)?;
                self.borrows.prefix |= is_borrowed(depth, bound_at);
                Ok(namespace)
            }
        }
    }

    /// Whether both are the same namespace name.
    pub(super) fn is_same(&self, one: Namespace, other: Namespace) -> bool {
        one == other || self.name(one) == self.name(other)
    }

    fn name(&self, namespace: Namespace) -> &str {
        match namespace {
            Namespace::None => "",
            Namespace::Xml => ns::XML,
            Namespace::Inherited(index) => &self.inherited[index as usize].1,
            Namespace::Unescaped(index) => &self.unescaped[index as usize],
            Namespace::Declared(_) => {
                let declared = self.bindings.iter().find(|binding| binding.namespace == namespace);
                declared.map_or("", |binding| binding.value.of(self.text))
            }
        }
    }

    /// What `prefix` is bound to, and at which depth; none for the stream header's bindings.
    fn bound(&self, prefix: &str) -> Option<(Namespace, Option<u32>)> {
        let own = self.bindings.iter().rev().find(|binding| binding.prefix.of(self.text) == prefix);
        if let Some(binding) = own {
            return Some((binding.namespace, Some(binding.depth)));
        }
        inherited_binding(self.inherited, prefix).map(|namespace| (namespace, None))
    }
}

/// Whether a name with `depth` open around it uses a binding made outside the content of the first-level element.
fn is_borrowed(depth: u32, bound_at: Option<u32>) -> bool {
    depth > 0 && bound_at.unwrap_or(0) == 0
}

fn inherited_binding(inherited: &Inherited, prefix: &str) -> Option<Namespace> {
    let index = inherited.iter().position(|(bound, _)| **bound == *prefix)?;
    // An inherited xmlns='' is no namespace.
    let unbound = inherited[index].1.is_empty();
    Some(if unbound { Namespace::None } else { Namespace::Inherited(index as u32) })
}
