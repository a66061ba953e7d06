impl serde::Serialize for Ack {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if self.seq != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Ack", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if self.seq != 0 {
            struct_ser.serialize_field("seq", &self.seq)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Ack {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "seq",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Seq,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "seq" => Ok(GeneratedField::Seq),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Ack;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Ack")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Ack, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut seq__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Seq => {
                            if seq__.is_some() {
                                return Err(serde::de::Error::duplicate_field("seq"));
                            }
                            seq__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Ack {
                    id: id__.unwrap_or_default(),
                    seq: seq__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Ack", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for AgentMessage {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.agent.is_empty() {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        if !self.id.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.AgentMessage", len)?;
        if !self.agent.is_empty() {
            struct_ser.serialize_field("agent", &self.agent)?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for AgentMessage {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "agent",
            "text",
            "id",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Agent,
            Text,
            Id,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "agent" => Ok(GeneratedField::Agent),
                            "text" => Ok(GeneratedField::Text),
                            "id" => Ok(GeneratedField::Id),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = AgentMessage;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.AgentMessage")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<AgentMessage, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut agent__ = None;
                let mut text__ = None;
                let mut id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Agent => {
                            if agent__.is_some() {
                                return Err(serde::de::Error::duplicate_field("agent"));
                            }
                            agent__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(AgentMessage {
                    agent: agent__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                    id: id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.AgentMessage", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Answer {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.turn != 0 {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        if self.end != 0 {
            len += 1;
        }
        if self.offer_person {
            len += 1;
        }
        if !self.sources.is_empty() {
            len += 1;
        }
        if !self.choices.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Answer", len)?;
        if self.turn != 0 {
            struct_ser.serialize_field("turn", &self.turn)?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        if self.end != 0 {
            let v = AnswerEnd::try_from(self.end)
                .map_err(|_| serde::ser::Error::custom(format!("Invalid variant {}", self.end)))?;
            struct_ser.serialize_field("end", &v)?;
        }
        if self.offer_person {
            struct_ser.serialize_field("offerPerson", &self.offer_person)?;
        }
        if !self.sources.is_empty() {
            struct_ser.serialize_field("sources", &self.sources)?;
        }
        if !self.choices.is_empty() {
            struct_ser.serialize_field("choices", &self.choices)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Answer {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "turn",
            "text",
            "end",
            "offer_person",
            "offerPerson",
            "sources",
            "choices",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Turn,
            Text,
            End,
            OfferPerson,
            Sources,
            Choices,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "turn" => Ok(GeneratedField::Turn),
                            "text" => Ok(GeneratedField::Text),
                            "end" => Ok(GeneratedField::End),
                            "offerPerson" | "offer_person" => Ok(GeneratedField::OfferPerson),
                            "sources" => Ok(GeneratedField::Sources),
                            "choices" => Ok(GeneratedField::Choices),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Answer;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Answer")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Answer, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut turn__ = None;
                let mut text__ = None;
                let mut end__ = None;
                let mut offer_person__ = None;
                let mut sources__ = None;
                let mut choices__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Turn => {
                            if turn__.is_some() {
                                return Err(serde::de::Error::duplicate_field("turn"));
                            }
                            turn__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::End => {
                            if end__.is_some() {
                                return Err(serde::de::Error::duplicate_field("end"));
                            }
                            end__ = Some(map_.next_value::<AnswerEnd>()? as i32);
                        }
                        GeneratedField::OfferPerson => {
                            if offer_person__.is_some() {
                                return Err(serde::de::Error::duplicate_field("offerPerson"));
                            }
                            offer_person__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Sources => {
                            if sources__.is_some() {
                                return Err(serde::de::Error::duplicate_field("sources"));
                            }
                            sources__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Choices => {
                            if choices__.is_some() {
                                return Err(serde::de::Error::duplicate_field("choices"));
                            }
                            choices__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Answer {
                    turn: turn__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                    end: end__.unwrap_or_default(),
                    offer_person: offer_person__.unwrap_or_default(),
                    sources: sources__.unwrap_or_default(),
                    choices: choices__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Answer", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for AnswerEnd {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        let variant = match self {
            Self::Unspecified => "ANSWER_END_UNSPECIFIED",
            Self::Complete => "ANSWER_END_COMPLETE",
            Self::Stopped => "ANSWER_END_STOPPED",
            Self::Interrupted => "ANSWER_END_INTERRUPTED",
            Self::Fallback => "ANSWER_END_FALLBACK",
            Self::Intent => "ANSWER_END_INTENT",
        };
        serializer.serialize_str(variant)
    }
}
impl<'de> serde::Deserialize<'de> for AnswerEnd {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "ANSWER_END_UNSPECIFIED",
            "ANSWER_END_COMPLETE",
            "ANSWER_END_STOPPED",
            "ANSWER_END_INTERRUPTED",
            "ANSWER_END_FALLBACK",
            "ANSWER_END_INTENT",
        ];

        struct GeneratedVisitor;

        impl serde::de::Visitor<'_> for GeneratedVisitor {
            type Value = AnswerEnd;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "expected one of: {:?}", &FIELDS)
            }

            fn visit_i64<E>(self, v: i64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(AnswerEnd::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Signed(v), &self)
                    })
            }

            fn visit_u64<E>(self, v: u64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(AnswerEnd::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(v), &self)
                    })
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                match value {
                    "ANSWER_END_UNSPECIFIED" => Ok(AnswerEnd::Unspecified),
                    "ANSWER_END_COMPLETE" => Ok(AnswerEnd::Complete),
                    "ANSWER_END_STOPPED" => Ok(AnswerEnd::Stopped),
                    "ANSWER_END_INTERRUPTED" => Ok(AnswerEnd::Interrupted),
                    "ANSWER_END_FALLBACK" => Ok(AnswerEnd::Fallback),
                    "ANSWER_END_INTENT" => Ok(AnswerEnd::Intent),
                    _ => Ok(AnswerEnd::default()),
                }
            }
        }
        deserializer.deserialize_any(GeneratedVisitor)
    }
}
impl serde::Serialize for AskPerson {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.AskPerson", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for AskPerson {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = AskPerson;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.AskPerson")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<AskPerson, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(AskPerson {
                    id: id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.AskPerson", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Assigned {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.agent.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Assigned", len)?;
        if !self.agent.is_empty() {
            struct_ser.serialize_field("agent", &self.agent)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Assigned {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "agent",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Agent,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "agent" => Ok(GeneratedField::Agent),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Assigned;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Assigned")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Assigned, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut agent__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Agent => {
                            if agent__.is_some() {
                                return Err(serde::de::Error::duplicate_field("agent"));
                            }
                            agent__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Assigned {
                    agent: agent__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Assigned", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Begin {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.after_conversation != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Begin", len)?;
        if self.after_conversation != 0 {
            struct_ser.serialize_field("afterConversation", &self.after_conversation)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Begin {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "after_conversation",
            "afterConversation",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            AfterConversation,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "afterConversation" | "after_conversation" => Ok(GeneratedField::AfterConversation),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Begin;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Begin")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Begin, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut after_conversation__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::AfterConversation => {
                            if after_conversation__.is_some() {
                                return Err(serde::de::Error::duplicate_field("afterConversation"));
                            }
                            after_conversation__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Begin {
                    after_conversation: after_conversation__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Begin", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for ClientFrame {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.kind.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.ClientFrame", len)?;
        if let Some(v) = self.kind.as_ref() {
            match v {
                client_frame::Kind::Hello(v) => {
                    struct_ser.serialize_field("hello", v)?;
                }
                client_frame::Kind::Send(v) => {
                    struct_ser.serialize_field("send", v)?;
                }
                client_frame::Kind::Stop(v) => {
                    struct_ser.serialize_field("stop", v)?;
                }
                client_frame::Kind::AskPerson(v) => {
                    struct_ser.serialize_field("askPerson", v)?;
                }
                client_frame::Kind::Close(v) => {
                    struct_ser.serialize_field("close", v)?;
                }
                client_frame::Kind::Rate(v) => {
                    struct_ser.serialize_field("rate", v)?;
                }
                client_frame::Kind::Begin(v) => {
                    struct_ser.serialize_field("begin", v)?;
                }
                client_frame::Kind::Ping(v) => {
                    struct_ser.serialize_field("ping", v)?;
                }
            }
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for ClientFrame {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "hello",
            "send",
            "stop",
            "ask_person",
            "askPerson",
            "close",
            "rate",
            "begin",
            "ping",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Hello,
            Send,
            Stop,
            AskPerson,
            Close,
            Rate,
            Begin,
            Ping,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "hello" => Ok(GeneratedField::Hello),
                            "send" => Ok(GeneratedField::Send),
                            "stop" => Ok(GeneratedField::Stop),
                            "askPerson" | "ask_person" => Ok(GeneratedField::AskPerson),
                            "close" => Ok(GeneratedField::Close),
                            "rate" => Ok(GeneratedField::Rate),
                            "begin" => Ok(GeneratedField::Begin),
                            "ping" => Ok(GeneratedField::Ping),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = ClientFrame;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.ClientFrame")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<ClientFrame, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut kind__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Hello => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("hello"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Hello)
;
                        }
                        GeneratedField::Send => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("send"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Send)
;
                        }
                        GeneratedField::Stop => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("stop"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Stop)
;
                        }
                        GeneratedField::AskPerson => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("askPerson"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::AskPerson)
;
                        }
                        GeneratedField::Close => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("close"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Close)
;
                        }
                        GeneratedField::Rate => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("rate"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Rate)
;
                        }
                        GeneratedField::Begin => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("begin"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Begin)
;
                        }
                        GeneratedField::Ping => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("ping"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(client_frame::Kind::Ping)
;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(ClientFrame {
                    kind: kind__,
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.ClientFrame", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Close {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Close", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Close {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Close;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Close")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Close, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Close {
                    id: id__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Close", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Closed {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.by != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Closed", len)?;
        if self.by != 0 {
            let v = ClosedBy::try_from(self.by)
                .map_err(|_| serde::ser::Error::custom(format!("Invalid variant {}", self.by)))?;
            struct_ser.serialize_field("by", &v)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Closed {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "by",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            By,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "by" => Ok(GeneratedField::By),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Closed;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Closed")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Closed, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut by__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::By => {
                            if by__.is_some() {
                                return Err(serde::de::Error::duplicate_field("by"));
                            }
                            by__ = Some(map_.next_value::<ClosedBy>()? as i32);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Closed {
                    by: by__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Closed", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for ClosedBy {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        let variant = match self {
            Self::Unspecified => "CLOSED_BY_UNSPECIFIED",
            Self::Visitor => "CLOSED_BY_VISITOR",
            Self::Agent => "CLOSED_BY_AGENT",
            Self::Site => "CLOSED_BY_SITE",
        };
        serializer.serialize_str(variant)
    }
}
impl<'de> serde::Deserialize<'de> for ClosedBy {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "CLOSED_BY_UNSPECIFIED",
            "CLOSED_BY_VISITOR",
            "CLOSED_BY_AGENT",
            "CLOSED_BY_SITE",
        ];

        struct GeneratedVisitor;

        impl serde::de::Visitor<'_> for GeneratedVisitor {
            type Value = ClosedBy;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "expected one of: {:?}", &FIELDS)
            }

            fn visit_i64<E>(self, v: i64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(ClosedBy::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Signed(v), &self)
                    })
            }

            fn visit_u64<E>(self, v: u64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(ClosedBy::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(v), &self)
                    })
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                match value {
                    "CLOSED_BY_UNSPECIFIED" => Ok(ClosedBy::Unspecified),
                    "CLOSED_BY_VISITOR" => Ok(ClosedBy::Visitor),
                    "CLOSED_BY_AGENT" => Ok(ClosedBy::Agent),
                    "CLOSED_BY_SITE" => Ok(ClosedBy::Site),
                    _ => Ok(ClosedBy::default()),
                }
            }
        }
        deserializer.deserialize_any(GeneratedVisitor)
    }
}
impl serde::Serialize for Delta {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.turn != 0 {
            len += 1;
        }
        if self.run != 0 {
            len += 1;
        }
        if self.offset != 0 {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Delta", len)?;
        if self.turn != 0 {
            struct_ser.serialize_field("turn", &self.turn)?;
        }
        if self.run != 0 {
            struct_ser.serialize_field("run", &self.run)?;
        }
        if self.offset != 0 {
            struct_ser.serialize_field("offset", &self.offset)?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Delta {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "turn",
            "run",
            "offset",
            "text",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Turn,
            Run,
            Offset,
            Text,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "turn" => Ok(GeneratedField::Turn),
                            "run" => Ok(GeneratedField::Run),
                            "offset" => Ok(GeneratedField::Offset),
                            "text" => Ok(GeneratedField::Text),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Delta;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Delta")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Delta, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut turn__ = None;
                let mut run__ = None;
                let mut offset__ = None;
                let mut text__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Turn => {
                            if turn__.is_some() {
                                return Err(serde::de::Error::duplicate_field("turn"));
                            }
                            turn__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Run => {
                            if run__.is_some() {
                                return Err(serde::de::Error::duplicate_field("run"));
                            }
                            run__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Offset => {
                            if offset__.is_some() {
                                return Err(serde::de::Error::duplicate_field("offset"));
                            }
                            offset__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Delta {
                    turn: turn__.unwrap_or_default(),
                    run: run__.unwrap_or_default(),
                    offset: offset__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Delta", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Error {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.code != 0 {
            len += 1;
        }
        if !self.message.is_empty() {
            len += 1;
        }
        if !self.id.is_empty() {
            len += 1;
        }
        if self.retry_after_ms != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Error", len)?;
        if self.code != 0 {
            let v = ErrorCode::try_from(self.code)
                .map_err(|_| serde::ser::Error::custom(format!("Invalid variant {}", self.code)))?;
            struct_ser.serialize_field("code", &v)?;
        }
        if !self.message.is_empty() {
            struct_ser.serialize_field("message", &self.message)?;
        }
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if self.retry_after_ms != 0 {
            struct_ser.serialize_field("retryAfterMs", &self.retry_after_ms)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Error {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "code",
            "message",
            "id",
            "retry_after_ms",
            "retryAfterMs",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Code,
            Message,
            Id,
            RetryAfterMs,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "code" => Ok(GeneratedField::Code),
                            "message" => Ok(GeneratedField::Message),
                            "id" => Ok(GeneratedField::Id),
                            "retryAfterMs" | "retry_after_ms" => Ok(GeneratedField::RetryAfterMs),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Error;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Error")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Error, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut code__ = None;
                let mut message__ = None;
                let mut id__ = None;
                let mut retry_after_ms__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Code => {
                            if code__.is_some() {
                                return Err(serde::de::Error::duplicate_field("code"));
                            }
                            code__ = Some(map_.next_value::<ErrorCode>()? as i32);
                        }
                        GeneratedField::Message => {
                            if message__.is_some() {
                                return Err(serde::de::Error::duplicate_field("message"));
                            }
                            message__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::RetryAfterMs => {
                            if retry_after_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("retryAfterMs"));
                            }
                            retry_after_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Error {
                    code: code__.unwrap_or_default(),
                    message: message__.unwrap_or_default(),
                    id: id__.unwrap_or_default(),
                    retry_after_ms: retry_after_ms__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Error", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for ErrorCode {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        let variant = match self {
            Self::Unspecified => "ERROR_CODE_UNSPECIFIED",
            Self::Malformed => "ERROR_CODE_MALFORMED",
            Self::UnknownFrame => "ERROR_CODE_UNKNOWN_FRAME",
            Self::OutOfOrder => "ERROR_CODE_OUT_OF_ORDER",
            Self::FrameTooLarge => "ERROR_CODE_FRAME_TOO_LARGE",
            Self::InvalidId => "ERROR_CODE_INVALID_ID",
            Self::IdReused => "ERROR_CODE_ID_REUSED",
            Self::TextEmpty => "ERROR_CODE_TEXT_EMPTY",
            Self::TextTooLong => "ERROR_CODE_TEXT_TOO_LONG",
            Self::InvalidScore => "ERROR_CODE_INVALID_SCORE",
            Self::ConversationClosed => "ERROR_CODE_CONVERSATION_CLOSED",
            Self::ConversationOpen => "ERROR_CODE_CONVERSATION_OPEN",
            Self::ConversationFull => "ERROR_CODE_CONVERSATION_FULL",
            Self::TooManyConversations => "ERROR_CODE_TOO_MANY_CONVERSATIONS",
            Self::SiteUnknown => "ERROR_CODE_SITE_UNKNOWN",
            Self::OriginForbidden => "ERROR_CODE_ORIGIN_FORBIDDEN",
            Self::TokenInvalid => "ERROR_CODE_TOKEN_INVALID",
            Self::TokenExpired => "ERROR_CODE_TOKEN_EXPIRED",
            Self::TokenWrongSite => "ERROR_CODE_TOKEN_WRONG_SITE",
            Self::IdentityRequired => "ERROR_CODE_IDENTITY_REQUIRED",
            Self::IdentityInvalid => "ERROR_CODE_IDENTITY_INVALID",
            Self::RateLimited => "ERROR_CODE_RATE_LIMITED",
            Self::TooManyConnections => "ERROR_CODE_TOO_MANY_CONNECTIONS",
            Self::SlowReader => "ERROR_CODE_SLOW_READER",
            Self::HelloTimeout => "ERROR_CODE_HELLO_TIMEOUT",
            Self::Silent => "ERROR_CODE_SILENT",
            Self::Unavailable => "ERROR_CODE_UNAVAILABLE",
            Self::Draining => "ERROR_CODE_DRAINING",
            Self::Internal => "ERROR_CODE_INTERNAL",
        };
        serializer.serialize_str(variant)
    }
}
impl<'de> serde::Deserialize<'de> for ErrorCode {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "ERROR_CODE_UNSPECIFIED",
            "ERROR_CODE_MALFORMED",
            "ERROR_CODE_UNKNOWN_FRAME",
            "ERROR_CODE_OUT_OF_ORDER",
            "ERROR_CODE_FRAME_TOO_LARGE",
            "ERROR_CODE_INVALID_ID",
            "ERROR_CODE_ID_REUSED",
            "ERROR_CODE_TEXT_EMPTY",
            "ERROR_CODE_TEXT_TOO_LONG",
            "ERROR_CODE_INVALID_SCORE",
            "ERROR_CODE_CONVERSATION_CLOSED",
            "ERROR_CODE_CONVERSATION_OPEN",
            "ERROR_CODE_CONVERSATION_FULL",
            "ERROR_CODE_TOO_MANY_CONVERSATIONS",
            "ERROR_CODE_SITE_UNKNOWN",
            "ERROR_CODE_ORIGIN_FORBIDDEN",
            "ERROR_CODE_TOKEN_INVALID",
            "ERROR_CODE_TOKEN_EXPIRED",
            "ERROR_CODE_TOKEN_WRONG_SITE",
            "ERROR_CODE_IDENTITY_REQUIRED",
            "ERROR_CODE_IDENTITY_INVALID",
            "ERROR_CODE_RATE_LIMITED",
            "ERROR_CODE_TOO_MANY_CONNECTIONS",
            "ERROR_CODE_SLOW_READER",
            "ERROR_CODE_HELLO_TIMEOUT",
            "ERROR_CODE_SILENT",
            "ERROR_CODE_UNAVAILABLE",
            "ERROR_CODE_DRAINING",
            "ERROR_CODE_INTERNAL",
        ];

        struct GeneratedVisitor;

        impl serde::de::Visitor<'_> for GeneratedVisitor {
            type Value = ErrorCode;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "expected one of: {:?}", &FIELDS)
            }

            fn visit_i64<E>(self, v: i64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(ErrorCode::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Signed(v), &self)
                    })
            }

            fn visit_u64<E>(self, v: u64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(ErrorCode::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(v), &self)
                    })
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                match value {
                    "ERROR_CODE_UNSPECIFIED" => Ok(ErrorCode::Unspecified),
                    "ERROR_CODE_MALFORMED" => Ok(ErrorCode::Malformed),
                    "ERROR_CODE_UNKNOWN_FRAME" => Ok(ErrorCode::UnknownFrame),
                    "ERROR_CODE_OUT_OF_ORDER" => Ok(ErrorCode::OutOfOrder),
                    "ERROR_CODE_FRAME_TOO_LARGE" => Ok(ErrorCode::FrameTooLarge),
                    "ERROR_CODE_INVALID_ID" => Ok(ErrorCode::InvalidId),
                    "ERROR_CODE_ID_REUSED" => Ok(ErrorCode::IdReused),
                    "ERROR_CODE_TEXT_EMPTY" => Ok(ErrorCode::TextEmpty),
                    "ERROR_CODE_TEXT_TOO_LONG" => Ok(ErrorCode::TextTooLong),
                    "ERROR_CODE_INVALID_SCORE" => Ok(ErrorCode::InvalidScore),
                    "ERROR_CODE_CONVERSATION_CLOSED" => Ok(ErrorCode::ConversationClosed),
                    "ERROR_CODE_CONVERSATION_OPEN" => Ok(ErrorCode::ConversationOpen),
                    "ERROR_CODE_CONVERSATION_FULL" => Ok(ErrorCode::ConversationFull),
                    "ERROR_CODE_TOO_MANY_CONVERSATIONS" => Ok(ErrorCode::TooManyConversations),
                    "ERROR_CODE_SITE_UNKNOWN" => Ok(ErrorCode::SiteUnknown),
                    "ERROR_CODE_ORIGIN_FORBIDDEN" => Ok(ErrorCode::OriginForbidden),
                    "ERROR_CODE_TOKEN_INVALID" => Ok(ErrorCode::TokenInvalid),
                    "ERROR_CODE_TOKEN_EXPIRED" => Ok(ErrorCode::TokenExpired),
                    "ERROR_CODE_TOKEN_WRONG_SITE" => Ok(ErrorCode::TokenWrongSite),
                    "ERROR_CODE_IDENTITY_REQUIRED" => Ok(ErrorCode::IdentityRequired),
                    "ERROR_CODE_IDENTITY_INVALID" => Ok(ErrorCode::IdentityInvalid),
                    "ERROR_CODE_RATE_LIMITED" => Ok(ErrorCode::RateLimited),
                    "ERROR_CODE_TOO_MANY_CONNECTIONS" => Ok(ErrorCode::TooManyConnections),
                    "ERROR_CODE_SLOW_READER" => Ok(ErrorCode::SlowReader),
                    "ERROR_CODE_HELLO_TIMEOUT" => Ok(ErrorCode::HelloTimeout),
                    "ERROR_CODE_SILENT" => Ok(ErrorCode::Silent),
                    "ERROR_CODE_UNAVAILABLE" => Ok(ErrorCode::Unavailable),
                    "ERROR_CODE_DRAINING" => Ok(ErrorCode::Draining),
                    "ERROR_CODE_INTERNAL" => Ok(ErrorCode::Internal),
                    _ => Ok(ErrorCode::default()),
                }
            }
        }
        deserializer.deserialize_any(GeneratedVisitor)
    }
}
impl serde::Serialize for Event {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.seq != 0 {
            len += 1;
        }
        if self.at_ms != 0 {
            len += 1;
        }
        if self.body.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Event", len)?;
        if self.seq != 0 {
            struct_ser.serialize_field("seq", &self.seq)?;
        }
        if self.at_ms != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("atMs", ToString::to_string(&self.at_ms).as_str())?;
        }
        if let Some(v) = self.body.as_ref() {
            match v {
                event::Body::VisitorMessage(v) => {
                    struct_ser.serialize_field("visitorMessage", v)?;
                }
                event::Body::Answer(v) => {
                    struct_ser.serialize_field("answer", v)?;
                }
                event::Body::Handover(v) => {
                    struct_ser.serialize_field("handover", v)?;
                }
                event::Body::Assigned(v) => {
                    struct_ser.serialize_field("assigned", v)?;
                }
                event::Body::AgentMessage(v) => {
                    struct_ser.serialize_field("agentMessage", v)?;
                }
                event::Body::Closed(v) => {
                    struct_ser.serialize_field("closed", v)?;
                }
                event::Body::Rated(v) => {
                    struct_ser.serialize_field("rated", v)?;
                }
                event::Body::Note(v) => {
                    struct_ser.serialize_field("note", v)?;
                }
                event::Body::Hidden(v) => {
                    struct_ser.serialize_field("hidden", v)?;
                }
            }
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Event {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "seq",
            "at_ms",
            "atMs",
            "visitor_message",
            "visitorMessage",
            "answer",
            "handover",
            "assigned",
            "agent_message",
            "agentMessage",
            "closed",
            "rated",
            "note",
            "hidden",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Seq,
            AtMs,
            VisitorMessage,
            Answer,
            Handover,
            Assigned,
            AgentMessage,
            Closed,
            Rated,
            Note,
            Hidden,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "seq" => Ok(GeneratedField::Seq),
                            "atMs" | "at_ms" => Ok(GeneratedField::AtMs),
                            "visitorMessage" | "visitor_message" => Ok(GeneratedField::VisitorMessage),
                            "answer" => Ok(GeneratedField::Answer),
                            "handover" => Ok(GeneratedField::Handover),
                            "assigned" => Ok(GeneratedField::Assigned),
                            "agentMessage" | "agent_message" => Ok(GeneratedField::AgentMessage),
                            "closed" => Ok(GeneratedField::Closed),
                            "rated" => Ok(GeneratedField::Rated),
                            "note" => Ok(GeneratedField::Note),
                            "hidden" => Ok(GeneratedField::Hidden),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Event;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Event")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Event, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut seq__ = None;
                let mut at_ms__ = None;
                let mut body__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Seq => {
                            if seq__.is_some() {
                                return Err(serde::de::Error::duplicate_field("seq"));
                            }
                            seq__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::AtMs => {
                            if at_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("atMs"));
                            }
                            at_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::VisitorMessage => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("visitorMessage"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::VisitorMessage)
;
                        }
                        GeneratedField::Answer => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("answer"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Answer)
;
                        }
                        GeneratedField::Handover => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("handover"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Handover)
;
                        }
                        GeneratedField::Assigned => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("assigned"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Assigned)
;
                        }
                        GeneratedField::AgentMessage => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("agentMessage"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::AgentMessage)
;
                        }
                        GeneratedField::Closed => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("closed"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Closed)
;
                        }
                        GeneratedField::Rated => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("rated"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Rated)
;
                        }
                        GeneratedField::Note => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("note"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Note)
;
                        }
                        GeneratedField::Hidden => {
                            if body__.is_some() {
                                return Err(serde::de::Error::duplicate_field("hidden"));
                            }
                            body__ = map_.next_value::<::std::option::Option<_>>()?.map(event::Body::Hidden)
;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Event {
                    seq: seq__.unwrap_or_default(),
                    at_ms: at_ms__.unwrap_or_default(),
                    body: body__,
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Event", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for GoAway {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.retry_after_ms != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.GoAway", len)?;
        if self.retry_after_ms != 0 {
            struct_ser.serialize_field("retryAfterMs", &self.retry_after_ms)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for GoAway {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "retry_after_ms",
            "retryAfterMs",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            RetryAfterMs,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "retryAfterMs" | "retry_after_ms" => Ok(GeneratedField::RetryAfterMs),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = GoAway;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.GoAway")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<GoAway, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut retry_after_ms__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::RetryAfterMs => {
                            if retry_after_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("retryAfterMs"));
                            }
                            retry_after_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(GoAway {
                    retry_after_ms: retry_after_ms__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.GoAway", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Handover {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.reason != 0 {
            len += 1;
        }
        if !self.summary.is_empty() {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Handover", len)?;
        if self.reason != 0 {
            let v = HandoverReason::try_from(self.reason)
                .map_err(|_| serde::ser::Error::custom(format!("Invalid variant {}", self.reason)))?;
            struct_ser.serialize_field("reason", &v)?;
        }
        if !self.summary.is_empty() {
            struct_ser.serialize_field("summary", &self.summary)?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Handover {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "reason",
            "summary",
            "text",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Reason,
            Summary,
            Text,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "reason" => Ok(GeneratedField::Reason),
                            "summary" => Ok(GeneratedField::Summary),
                            "text" => Ok(GeneratedField::Text),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Handover;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Handover")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Handover, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut reason__ = None;
                let mut summary__ = None;
                let mut text__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Reason => {
                            if reason__.is_some() {
                                return Err(serde::de::Error::duplicate_field("reason"));
                            }
                            reason__ = Some(map_.next_value::<HandoverReason>()? as i32);
                        }
                        GeneratedField::Summary => {
                            if summary__.is_some() {
                                return Err(serde::de::Error::duplicate_field("summary"));
                            }
                            summary__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Handover {
                    reason: reason__.unwrap_or_default(),
                    summary: summary__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Handover", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for HandoverReason {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        let variant = match self {
            Self::Unspecified => "HANDOVER_REASON_UNSPECIFIED",
            Self::VisitorAsked => "HANDOVER_REASON_VISITOR_ASKED",
            Self::Assistant => "HANDOVER_REASON_ASSISTANT",
            Self::Rule => "HANDOVER_REASON_RULE",
            Self::Failures => "HANDOVER_REASON_FAILURES",
        };
        serializer.serialize_str(variant)
    }
}
impl<'de> serde::Deserialize<'de> for HandoverReason {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "HANDOVER_REASON_UNSPECIFIED",
            "HANDOVER_REASON_VISITOR_ASKED",
            "HANDOVER_REASON_ASSISTANT",
            "HANDOVER_REASON_RULE",
            "HANDOVER_REASON_FAILURES",
        ];

        struct GeneratedVisitor;

        impl serde::de::Visitor<'_> for GeneratedVisitor {
            type Value = HandoverReason;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "expected one of: {:?}", &FIELDS)
            }

            fn visit_i64<E>(self, v: i64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(HandoverReason::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Signed(v), &self)
                    })
            }

            fn visit_u64<E>(self, v: u64) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                i32::try_from(v)
                    .ok()
                    .and_then(|x| x.try_into().ok().or_else(|| Some(HandoverReason::default())))
                    .ok_or_else(|| {
                        serde::de::Error::invalid_value(serde::de::Unexpected::Unsigned(v), &self)
                    })
            }

            fn visit_str<E>(self, value: &str) -> std::result::Result<Self::Value, E>
            where
                E: serde::de::Error,
            {
                match value {
                    "HANDOVER_REASON_UNSPECIFIED" => Ok(HandoverReason::Unspecified),
                    "HANDOVER_REASON_VISITOR_ASKED" => Ok(HandoverReason::VisitorAsked),
                    "HANDOVER_REASON_ASSISTANT" => Ok(HandoverReason::Assistant),
                    "HANDOVER_REASON_RULE" => Ok(HandoverReason::Rule),
                    "HANDOVER_REASON_FAILURES" => Ok(HandoverReason::Failures),
                    _ => Ok(HandoverReason::default()),
                }
            }
        }
        deserializer.deserialize_any(GeneratedVisitor)
    }
}
impl serde::Serialize for Hello {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.site.is_empty() {
            len += 1;
        }
        if !self.token.is_empty() {
            len += 1;
        }
        if !self.identity.is_empty() {
            len += 1;
        }
        if self.conversation != 0 {
            len += 1;
        }
        if self.after != 0 {
            len += 1;
        }
        if !self.language.is_empty() {
            len += 1;
        }
        if self.turn != 0 {
            len += 1;
        }
        if self.run != 0 {
            len += 1;
        }
        if self.offset != 0 {
            len += 1;
        }
        if self.after_at_ms != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Hello", len)?;
        if !self.site.is_empty() {
            struct_ser.serialize_field("site", &self.site)?;
        }
        if !self.token.is_empty() {
            struct_ser.serialize_field("token", &self.token)?;
        }
        if !self.identity.is_empty() {
            struct_ser.serialize_field("identity", &self.identity)?;
        }
        if self.conversation != 0 {
            struct_ser.serialize_field("conversation", &self.conversation)?;
        }
        if self.after != 0 {
            struct_ser.serialize_field("after", &self.after)?;
        }
        if !self.language.is_empty() {
            struct_ser.serialize_field("language", &self.language)?;
        }
        if self.turn != 0 {
            struct_ser.serialize_field("turn", &self.turn)?;
        }
        if self.run != 0 {
            struct_ser.serialize_field("run", &self.run)?;
        }
        if self.offset != 0 {
            struct_ser.serialize_field("offset", &self.offset)?;
        }
        if self.after_at_ms != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("afterAtMs", ToString::to_string(&self.after_at_ms).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Hello {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "site",
            "token",
            "identity",
            "conversation",
            "after",
            "language",
            "turn",
            "run",
            "offset",
            "after_at_ms",
            "afterAtMs",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Site,
            Token,
            Identity,
            Conversation,
            After,
            Language,
            Turn,
            Run,
            Offset,
            AfterAtMs,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "site" => Ok(GeneratedField::Site),
                            "token" => Ok(GeneratedField::Token),
                            "identity" => Ok(GeneratedField::Identity),
                            "conversation" => Ok(GeneratedField::Conversation),
                            "after" => Ok(GeneratedField::After),
                            "language" => Ok(GeneratedField::Language),
                            "turn" => Ok(GeneratedField::Turn),
                            "run" => Ok(GeneratedField::Run),
                            "offset" => Ok(GeneratedField::Offset),
                            "afterAtMs" | "after_at_ms" => Ok(GeneratedField::AfterAtMs),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Hello;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Hello")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Hello, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut site__ = None;
                let mut token__ = None;
                let mut identity__ = None;
                let mut conversation__ = None;
                let mut after__ = None;
                let mut language__ = None;
                let mut turn__ = None;
                let mut run__ = None;
                let mut offset__ = None;
                let mut after_at_ms__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Site => {
                            if site__.is_some() {
                                return Err(serde::de::Error::duplicate_field("site"));
                            }
                            site__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Token => {
                            if token__.is_some() {
                                return Err(serde::de::Error::duplicate_field("token"));
                            }
                            token__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Identity => {
                            if identity__.is_some() {
                                return Err(serde::de::Error::duplicate_field("identity"));
                            }
                            identity__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Conversation => {
                            if conversation__.is_some() {
                                return Err(serde::de::Error::duplicate_field("conversation"));
                            }
                            conversation__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::After => {
                            if after__.is_some() {
                                return Err(serde::de::Error::duplicate_field("after"));
                            }
                            after__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Language => {
                            if language__.is_some() {
                                return Err(serde::de::Error::duplicate_field("language"));
                            }
                            language__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Turn => {
                            if turn__.is_some() {
                                return Err(serde::de::Error::duplicate_field("turn"));
                            }
                            turn__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Run => {
                            if run__.is_some() {
                                return Err(serde::de::Error::duplicate_field("run"));
                            }
                            run__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Offset => {
                            if offset__.is_some() {
                                return Err(serde::de::Error::duplicate_field("offset"));
                            }
                            offset__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::AfterAtMs => {
                            if after_at_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("afterAtMs"));
                            }
                            after_at_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Hello {
                    site: site__.unwrap_or_default(),
                    token: token__.unwrap_or_default(),
                    identity: identity__.unwrap_or_default(),
                    conversation: conversation__.unwrap_or_default(),
                    after: after__.unwrap_or_default(),
                    language: language__.unwrap_or_default(),
                    turn: turn__.unwrap_or_default(),
                    run: run__.unwrap_or_default(),
                    offset: offset__.unwrap_or_default(),
                    after_at_ms: after_at_ms__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Hello", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Hidden {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let len = 0;
        let struct_ser = serializer.serialize_struct("frontdesk.v1.Hidden", len)?;
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Hidden {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                            Ok(GeneratedField::__SkipField__)
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Hidden;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Hidden")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Hidden, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                while map_.next_key::<GeneratedField>()?.is_some() {
                    let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                }
                Ok(Hidden {
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Hidden", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Note {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.agent.is_empty() {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Note", len)?;
        if !self.agent.is_empty() {
            struct_ser.serialize_field("agent", &self.agent)?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Note {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "agent",
            "text",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Agent,
            Text,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "agent" => Ok(GeneratedField::Agent),
                            "text" => Ok(GeneratedField::Text),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Note;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Note")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Note, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut agent__ = None;
                let mut text__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Agent => {
                            if agent__.is_some() {
                                return Err(serde::de::Error::duplicate_field("agent"));
                            }
                            agent__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Note {
                    agent: agent__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Note", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Opened {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.conversation != 0 {
            len += 1;
        }
        if self.head != 0 {
            len += 1;
        }
        if self.reset {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Opened", len)?;
        if self.conversation != 0 {
            struct_ser.serialize_field("conversation", &self.conversation)?;
        }
        if self.head != 0 {
            struct_ser.serialize_field("head", &self.head)?;
        }
        if self.reset {
            struct_ser.serialize_field("reset", &self.reset)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Opened {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "conversation",
            "head",
            "reset",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Conversation,
            Head,
            Reset,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "conversation" => Ok(GeneratedField::Conversation),
                            "head" => Ok(GeneratedField::Head),
                            "reset" => Ok(GeneratedField::Reset),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Opened;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Opened")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Opened, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut conversation__ = None;
                let mut head__ = None;
                let mut reset__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Conversation => {
                            if conversation__.is_some() {
                                return Err(serde::de::Error::duplicate_field("conversation"));
                            }
                            conversation__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Head => {
                            if head__.is_some() {
                                return Err(serde::de::Error::duplicate_field("head"));
                            }
                            head__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Reset => {
                            if reset__.is_some() {
                                return Err(serde::de::Error::duplicate_field("reset"));
                            }
                            reset__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Opened {
                    conversation: conversation__.unwrap_or_default(),
                    head: head__.unwrap_or_default(),
                    reset: reset__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Opened", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Ping {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let len = 0;
        let struct_ser = serializer.serialize_struct("frontdesk.v1.Ping", len)?;
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Ping {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                            Ok(GeneratedField::__SkipField__)
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Ping;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Ping")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Ping, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                while map_.next_key::<GeneratedField>()?.is_some() {
                    let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                }
                Ok(Ping {
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Ping", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Pong {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let len = 0;
        let struct_ser = serializer.serialize_struct("frontdesk.v1.Pong", len)?;
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Pong {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                            Ok(GeneratedField::__SkipField__)
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Pong;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Pong")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Pong, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                while map_.next_key::<GeneratedField>()?.is_some() {
                    let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                }
                Ok(Pong {
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Pong", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Rate {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if self.score != 0 {
            len += 1;
        }
        if !self.comment.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Rate", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if self.score != 0 {
            struct_ser.serialize_field("score", &self.score)?;
        }
        if !self.comment.is_empty() {
            struct_ser.serialize_field("comment", &self.comment)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Rate {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "score",
            "comment",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Score,
            Comment,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "score" => Ok(GeneratedField::Score),
                            "comment" => Ok(GeneratedField::Comment),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Rate;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Rate")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Rate, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut score__ = None;
                let mut comment__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Score => {
                            if score__.is_some() {
                                return Err(serde::de::Error::duplicate_field("score"));
                            }
                            score__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Comment => {
                            if comment__.is_some() {
                                return Err(serde::de::Error::duplicate_field("comment"));
                            }
                            comment__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Rate {
                    id: id__.unwrap_or_default(),
                    score: score__.unwrap_or_default(),
                    comment: comment__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Rate", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Rated {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.score != 0 {
            len += 1;
        }
        if !self.comment.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Rated", len)?;
        if self.score != 0 {
            struct_ser.serialize_field("score", &self.score)?;
        }
        if !self.comment.is_empty() {
            struct_ser.serialize_field("comment", &self.comment)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Rated {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "score",
            "comment",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Score,
            Comment,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "score" => Ok(GeneratedField::Score),
                            "comment" => Ok(GeneratedField::Comment),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Rated;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Rated")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Rated, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut score__ = None;
                let mut comment__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Score => {
                            if score__.is_some() {
                                return Err(serde::de::Error::duplicate_field("score"));
                            }
                            score__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Comment => {
                            if comment__.is_some() {
                                return Err(serde::de::Error::duplicate_field("comment"));
                            }
                            comment__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Rated {
                    score: score__.unwrap_or_default(),
                    comment: comment__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Rated", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Send {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Send", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Send {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "text",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Text,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "text" => Ok(GeneratedField::Text),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Send;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Send")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Send, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut text__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Send {
                    id: id__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Send", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for ServerFrame {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if self.kind.is_some() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.ServerFrame", len)?;
        if let Some(v) = self.kind.as_ref() {
            match v {
                server_frame::Kind::Welcome(v) => {
                    struct_ser.serialize_field("welcome", v)?;
                }
                server_frame::Kind::Ack(v) => {
                    struct_ser.serialize_field("ack", v)?;
                }
                server_frame::Kind::Event(v) => {
                    struct_ser.serialize_field("event", v)?;
                }
                server_frame::Kind::Delta(v) => {
                    struct_ser.serialize_field("delta", v)?;
                }
                server_frame::Kind::Error(v) => {
                    struct_ser.serialize_field("error", v)?;
                }
                server_frame::Kind::Opened(v) => {
                    struct_ser.serialize_field("opened", v)?;
                }
                server_frame::Kind::Token(v) => {
                    struct_ser.serialize_field("token", v)?;
                }
                server_frame::Kind::GoAway(v) => {
                    struct_ser.serialize_field("goAway", v)?;
                }
                server_frame::Kind::Pong(v) => {
                    struct_ser.serialize_field("pong", v)?;
                }
            }
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for ServerFrame {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "welcome",
            "ack",
            "event",
            "delta",
            "error",
            "opened",
            "token",
            "go_away",
            "goAway",
            "pong",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Welcome,
            Ack,
            Event,
            Delta,
            Error,
            Opened,
            Token,
            GoAway,
            Pong,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "welcome" => Ok(GeneratedField::Welcome),
                            "ack" => Ok(GeneratedField::Ack),
                            "event" => Ok(GeneratedField::Event),
                            "delta" => Ok(GeneratedField::Delta),
                            "error" => Ok(GeneratedField::Error),
                            "opened" => Ok(GeneratedField::Opened),
                            "token" => Ok(GeneratedField::Token),
                            "goAway" | "go_away" => Ok(GeneratedField::GoAway),
                            "pong" => Ok(GeneratedField::Pong),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = ServerFrame;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.ServerFrame")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<ServerFrame, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut kind__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Welcome => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("welcome"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Welcome)
;
                        }
                        GeneratedField::Ack => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("ack"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Ack)
;
                        }
                        GeneratedField::Event => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("event"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Event)
;
                        }
                        GeneratedField::Delta => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("delta"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Delta)
;
                        }
                        GeneratedField::Error => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("error"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Error)
;
                        }
                        GeneratedField::Opened => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("opened"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Opened)
;
                        }
                        GeneratedField::Token => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("token"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Token)
;
                        }
                        GeneratedField::GoAway => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("goAway"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::GoAway)
;
                        }
                        GeneratedField::Pong => {
                            if kind__.is_some() {
                                return Err(serde::de::Error::duplicate_field("pong"));
                            }
                            kind__ = map_.next_value::<::std::option::Option<_>>()?.map(server_frame::Kind::Pong)
;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(ServerFrame {
                    kind: kind__,
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.ServerFrame", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Source {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.title.is_empty() {
            len += 1;
        }
        if !self.url.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Source", len)?;
        if !self.title.is_empty() {
            struct_ser.serialize_field("title", &self.title)?;
        }
        if !self.url.is_empty() {
            struct_ser.serialize_field("url", &self.url)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Source {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "title",
            "url",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Title,
            Url,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "title" => Ok(GeneratedField::Title),
                            "url" => Ok(GeneratedField::Url),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Source;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Source")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Source, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut title__ = None;
                let mut url__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Title => {
                            if title__.is_some() {
                                return Err(serde::de::Error::duplicate_field("title"));
                            }
                            title__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Url => {
                            if url__.is_some() {
                                return Err(serde::de::Error::duplicate_field("url"));
                            }
                            url__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Source {
                    title: title__.unwrap_or_default(),
                    url: url__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Source", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Stop {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if self.turn != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Stop", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if self.turn != 0 {
            struct_ser.serialize_field("turn", &self.turn)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Stop {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "turn",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Turn,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "turn" => Ok(GeneratedField::Turn),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Stop;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Stop")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Stop, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut turn__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Turn => {
                            if turn__.is_some() {
                                return Err(serde::de::Error::duplicate_field("turn"));
                            }
                            turn__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Stop {
                    id: id__.unwrap_or_default(),
                    turn: turn__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Stop", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Token {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.token.is_empty() {
            len += 1;
        }
        if self.expires_at_ms != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Token", len)?;
        if !self.token.is_empty() {
            struct_ser.serialize_field("token", &self.token)?;
        }
        if self.expires_at_ms != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("expiresAtMs", ToString::to_string(&self.expires_at_ms).as_str())?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Token {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "token",
            "expires_at_ms",
            "expiresAtMs",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Token,
            ExpiresAtMs,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "token" => Ok(GeneratedField::Token),
                            "expiresAtMs" | "expires_at_ms" => Ok(GeneratedField::ExpiresAtMs),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Token;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Token")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Token, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut token__ = None;
                let mut expires_at_ms__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Token => {
                            if token__.is_some() {
                                return Err(serde::de::Error::duplicate_field("token"));
                            }
                            token__ = Some(map_.next_value()?);
                        }
                        GeneratedField::ExpiresAtMs => {
                            if expires_at_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("expiresAtMs"));
                            }
                            expires_at_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Token {
                    token: token__.unwrap_or_default(),
                    expires_at_ms: expires_at_ms__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Token", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for VisitorMessage {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.id.is_empty() {
            len += 1;
        }
        if !self.text.is_empty() {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.VisitorMessage", len)?;
        if !self.id.is_empty() {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("id", pbjson::private::base64::encode(&self.id).as_str())?;
        }
        if !self.text.is_empty() {
            struct_ser.serialize_field("text", &self.text)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for VisitorMessage {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "id",
            "text",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Id,
            Text,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "id" => Ok(GeneratedField::Id),
                            "text" => Ok(GeneratedField::Text),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = VisitorMessage;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.VisitorMessage")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<VisitorMessage, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut id__ = None;
                let mut text__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Id => {
                            if id__.is_some() {
                                return Err(serde::de::Error::duplicate_field("id"));
                            }
                            id__ = 
                                Some(map_.next_value::<::pbjson::private::BytesDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Text => {
                            if text__.is_some() {
                                return Err(serde::de::Error::duplicate_field("text"));
                            }
                            text__ = Some(map_.next_value()?);
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(VisitorMessage {
                    id: id__.unwrap_or_default(),
                    text: text__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.VisitorMessage", FIELDS, GeneratedVisitor)
    }
}
impl serde::Serialize for Welcome {
    #[allow(deprecated)]
    fn serialize<S>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error>
    where
        S: serde::Serializer,
    {
        use serde::ser::SerializeStruct;
        let mut len = 0;
        if !self.visitor.is_empty() {
            len += 1;
        }
        if !self.token.is_empty() {
            len += 1;
        }
        if self.token_expires_at_ms != 0 {
            len += 1;
        }
        if self.opened.is_some() {
            len += 1;
        }
        if self.now_ms != 0 {
            len += 1;
        }
        if self.max_text_bytes != 0 {
            len += 1;
        }
        let mut struct_ser = serializer.serialize_struct("frontdesk.v1.Welcome", len)?;
        if !self.visitor.is_empty() {
            struct_ser.serialize_field("visitor", &self.visitor)?;
        }
        if !self.token.is_empty() {
            struct_ser.serialize_field("token", &self.token)?;
        }
        if self.token_expires_at_ms != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("tokenExpiresAtMs", ToString::to_string(&self.token_expires_at_ms).as_str())?;
        }
        if let Some(v) = self.opened.as_ref() {
            struct_ser.serialize_field("opened", v)?;
        }
        if self.now_ms != 0 {
            #[allow(clippy::needless_borrow)]
            #[allow(clippy::needless_borrows_for_generic_args)]
            struct_ser.serialize_field("nowMs", ToString::to_string(&self.now_ms).as_str())?;
        }
        if self.max_text_bytes != 0 {
            struct_ser.serialize_field("maxTextBytes", &self.max_text_bytes)?;
        }
        struct_ser.end()
    }
}
impl<'de> serde::Deserialize<'de> for Welcome {
    #[allow(deprecated)]
    fn deserialize<D>(deserializer: D) -> std::result::Result<Self, D::Error>
    where
        D: serde::Deserializer<'de>,
    {
        const FIELDS: &[&str] = &[
            "visitor",
            "token",
            "token_expires_at_ms",
            "tokenExpiresAtMs",
            "opened",
            "now_ms",
            "nowMs",
            "max_text_bytes",
            "maxTextBytes",
        ];

        #[allow(clippy::enum_variant_names)]
        enum GeneratedField {
            Visitor,
            Token,
            TokenExpiresAtMs,
            Opened,
            NowMs,
            MaxTextBytes,
            __SkipField__,
        }
        impl<'de> serde::Deserialize<'de> for GeneratedField {
            fn deserialize<D>(deserializer: D) -> std::result::Result<GeneratedField, D::Error>
            where
                D: serde::Deserializer<'de>,
            {
                struct GeneratedVisitor;

                impl serde::de::Visitor<'_> for GeneratedVisitor {
                    type Value = GeneratedField;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        write!(formatter, "expected one of: {:?}", &FIELDS)
                    }

                    #[allow(unused_variables)]
                    fn visit_str<E>(self, value: &str) -> std::result::Result<GeneratedField, E>
                    where
                        E: serde::de::Error,
                    {
                        match value {
                            "visitor" => Ok(GeneratedField::Visitor),
                            "token" => Ok(GeneratedField::Token),
                            "tokenExpiresAtMs" | "token_expires_at_ms" => Ok(GeneratedField::TokenExpiresAtMs),
                            "opened" => Ok(GeneratedField::Opened),
                            "nowMs" | "now_ms" => Ok(GeneratedField::NowMs),
                            "maxTextBytes" | "max_text_bytes" => Ok(GeneratedField::MaxTextBytes),
                            _ => Ok(GeneratedField::__SkipField__),
                        }
                    }
                }
                deserializer.deserialize_identifier(GeneratedVisitor)
            }
        }
        struct GeneratedVisitor;
        impl<'de> serde::de::Visitor<'de> for GeneratedVisitor {
            type Value = Welcome;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("struct frontdesk.v1.Welcome")
            }

            fn visit_map<V>(self, mut map_: V) -> std::result::Result<Welcome, V::Error>
                where
                    V: serde::de::MapAccess<'de>,
            {
                let mut visitor__ = None;
                let mut token__ = None;
                let mut token_expires_at_ms__ = None;
                let mut opened__ = None;
                let mut now_ms__ = None;
                let mut max_text_bytes__ = None;
                while let Some(k) = map_.next_key()? {
                    match k {
                        GeneratedField::Visitor => {
                            if visitor__.is_some() {
                                return Err(serde::de::Error::duplicate_field("visitor"));
                            }
                            visitor__ = Some(map_.next_value()?);
                        }
                        GeneratedField::Token => {
                            if token__.is_some() {
                                return Err(serde::de::Error::duplicate_field("token"));
                            }
                            token__ = Some(map_.next_value()?);
                        }
                        GeneratedField::TokenExpiresAtMs => {
                            if token_expires_at_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("tokenExpiresAtMs"));
                            }
                            token_expires_at_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::Opened => {
                            if opened__.is_some() {
                                return Err(serde::de::Error::duplicate_field("opened"));
                            }
                            opened__ = map_.next_value()?;
                        }
                        GeneratedField::NowMs => {
                            if now_ms__.is_some() {
                                return Err(serde::de::Error::duplicate_field("nowMs"));
                            }
                            now_ms__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::MaxTextBytes => {
                            if max_text_bytes__.is_some() {
                                return Err(serde::de::Error::duplicate_field("maxTextBytes"));
                            }
                            max_text_bytes__ = 
                                Some(map_.next_value::<::pbjson::private::NumberDeserialize<_>>()?.0)
                            ;
                        }
                        GeneratedField::__SkipField__ => {
                            let _ = map_.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(Welcome {
                    visitor: visitor__.unwrap_or_default(),
                    token: token__.unwrap_or_default(),
                    token_expires_at_ms: token_expires_at_ms__.unwrap_or_default(),
                    opened: opened__,
                    now_ms: now_ms__.unwrap_or_default(),
                    max_text_bytes: max_text_bytes__.unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_struct("frontdesk.v1.Welcome", FIELDS, GeneratedVisitor)
    }
}
