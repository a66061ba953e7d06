//! The phrases of small talk, `|` between them, in the form that messages are compared in: lower case, no apostrophes, no
//! marks.

use super::SmallTalk;

/// Phrases with `|` between them.
pub(super) type Phrases = &'static str;

/// What each phrase is about.
pub(super) const PHRASES: [(SmallTalk, Phrases); 8] = [
    (
        SmallTalk::Greeting,
        "\
         hi|hello|hey|hiya|heya|howdy|yo|helo|hallo|greetings|good morning|good afternoon|good evening|good day|\
         morning|evening|are you there|you there|nice to meet you|happy new year|merry christmas|你好|您好|妳好|嗨|嘿|哈喽|\
         哈罗|哈囉|早|早安|早上好|上午好|中午好|下午好|晚上好|你们好|大家好|在吗|在嗎|在不在|你在吗|您在吗|新年好|新年快乐",
    ),
    (SmallTalk::Refusal, "no|nope|nah|no problem|no worries|不|不是|不用|不用了|没关系|没事|没问题"),
    (
        SmallTalk::Agreement,
        "\
         ok|okay|okey|okie|k|kk|alright|all right|right|sure|fine|good|great|perfect|excellent|nice|cool|awesome|\
         wonderful|super|amazing|lovely|sounds good|looks good|got it|i got it|gotcha|i see|understood|\
         i understand|makes sense|noted|good to know|yes|yep|yeah|yup|indeed|exactly|of course|\
         thats fine|thats ok|thats okay|that is fine|thats great|thats good|very good|\
         will do|interesting|wow|oh|ah|hm|haha|lol|好的|好|好吧|好滴|好哒|好嘞|好呀|行|行吧|可以|可以的|嗯|哦|噢|喔|明白|明白了|知道了|知道|了解|了解了|\
         懂了|收到|是|是的|对|對|对的|没错|太好了|很好|不错|真好|真棒|棒|厉害|哈哈|清楚了|原来如此",
    ),
    (
        SmallTalk::Thanks,
        "\
         thanks|thank you|thank u|thankyou|thx|thanx|ty|tysm|thanks a lot|thanks a million|thanks so much|\
         thank you so much|thank you very much|thanks for your help|thanks for the help|thank you for your help|\
         thank you for the help|many thanks|much appreciated|appreciate it|i appreciate it|cheers|that helps|\
         that helped|that was helpful|very helpful|that was quick|great help|you are the best|youre the best|\
         well done|good job|good bot|谢谢|謝謝|谢了|多谢|多謝|谢谢你|谢谢您|谢谢你们|感谢|感謝|非常感谢|太感谢了|十分感谢|万分感谢|辛苦了|辛苦你了|麻烦了|麻烦你了|麻烦您了|\
         谢谢帮忙|谢谢你的帮助|谢谢您的帮助|谢谢帮助|帮大忙了|很有帮助|3q",
    ),
    (
        SmallTalk::Goodbye,
        "\
         bye|goodbye|good bye|byebye|see you|see ya|cya|see you later|see you soon|see you around|\
         talk to you later|talk later|later|take care|have a nice day|have a good day|have a great day|\
         have a nice evening|have a nice weekend|have a good one|good night|goodnight|farewell|ciao|thats all|\
         that is all|that will be all|thatll be all|thats it|nothing else|im done|i am done|gotta go|i have to go|\
         再见|再見|拜|拜拜|晚安|回头见|回头聊|下次见|下次聊|明天见|先这样|就这样|就这些|没有了|没了|没别的了|没有别的了|没有问题了|没问题了|没事了|不聊了|我走了|我先走了|88|祝你愉快|周末愉快",
    ),
    (
        SmallTalk::HowAreYou,
        "\
         how are you|how are you doing|how are you today|how are you doing today|how are you feeling|how r u|\
         how are u|how are ya|hows it going|how is it going|how do you do|hows life|hows your day|how is your day|\
         how is your day going|whats up|sup|wassup|how have you been|are you ok|are you okay|are you well|\
         i hope you are well|hope you are well|hope youre well|你好吗|您好吗|你好嗎|你还好吗|最近好吗|你最近好吗|最近怎么样|你最近怎么样|你怎么样|\
         过得怎么样|今天怎么样|你今天怎么样|你今天好吗|吃了吗|你吃了吗",
    ),
    (
        SmallTalk::Abilities,
        "\
         what can you do|what can you do for me|what can you help with|what can you help me with|what do you do|\
         what are you able to do|what can i ask|what can i ask you|what can i ask here|what can you answer|\
         what can you tell me|what do you know|how can you help|how can you help me|what are you for|what is this|\
         whats this|what is this chat|whats this chat|can you help|can you help me|could you help me|\
         would you help me|will you help me|help|help me|please help|please help me|i need help|i need some help|\
         i need your help|i need assistance|can i ask you something|can i ask something|can i ask a question|\
         can i ask you a question|may i ask a question|i have a question|i got a question|quick question|你能做什么|\
         你会做什么|你会什么|你能干什么|你能干嘛|你可以做什么|你能帮我什么|你能帮我做什么|你能帮我干什么|你可以帮我做什么|你有什么功能|你能回答什么|你知道什么|能帮我吗|可以帮我吗|你能帮我吗|您能帮我吗|\
         能帮忙吗|能帮个忙吗|帮帮我|帮我|帮个忙|需要帮助|我需要帮助|我可以问什么|可以问你什么|能问什么|能问个问题吗|可以问个问题吗|问个问题|我有个问题|我有一个问题|有个问题|我想问一下|想问一下|\
         请问一下|请问|咨询一下|想咨询一下|我想咨询一下|这是什么",
    ),
    (
        SmallTalk::WhoAreYou,
        "\
         who are you|who are u|what are you|who is this|whos this|who am i talking to|who am i speaking to|\
         who am i speaking with|who am i chatting with|what is your name|whats your name|do you have a name|\
         tell me about yourself|introduce yourself|你是谁|您是谁|你是誰|您哪位|你是什么|你叫什么|你叫什么名字|您叫什么名字|您怎么称呼|你怎么称呼|怎么称呼你|\
         怎么称呼您|介绍一下你自己|自我介绍一下",
    ),
];

/// What may stand beside them and says nothing.
pub(super) const FILLERS: Phrases = "\
    there|again|everyone|everybody|all|folks|guys|team|friend|my friend|dear|sir|madam|please|so much|very much|\
    a lot|to you|you too|for now|then|and|so|well|um|today|now|just|really|very|a|啊|呀|呢|吧|哦|啦|哈|了|哒|嘛|噢|亲|那|请";

/// A question that is put together: what the assistant is.
pub(super) struct Identity {
    /// How it begins.
    pub questions: Phrases,
    /// What the assistant may be; one at least is named.
    pub things: Phrases,
    /// What may stand around them.
    pub between: Phrases,
}

pub(super) const ENGLISH_IDENTITY: Identity = Identity {
    questions: "\
        are you|are u|r u|are you just|are you really|are you actually|is this|is it|is that|am i talking to|\
        am i talking with|am i speaking to|am i speaking with|am i chatting with|am i writing to|do i talk to",
    things: "\
        bot|chatbot|chat bot|robot|machine|computer|program|ai|artificial intelligence|human|human being|person|\
        real person|real human|live person|man|woman|real|automated|chatgpt|gpt|language model",
    between: "\
        a|an|the|or|some|kind of|just|only|even|right now|now",
};

pub(super) const CHINESE_IDENTITY: Identity = Identity {
    questions: "\
        你是|您是|妳是|你是不是|您是不是|你到底是|你真的是|你真是|你只是|你也是|是|是不是|这是|现在是|我在和|我在跟|我是在和|我是在跟|我现在是在和|跟我说话的是|和我聊天的是",
    things: "\
        机器人|機器人|机器|人工智能|智能客服|智能助手|ai|人|真人|活人|真的人|人工|人工客服|真人客服|电脑|程序|chatgpt",
    between: "\
        一个|个|一台|还是|還是|吗|嗎|嘛|么|呢|啊|在回答|在说话|说话|聊天|对话|在回复|呀",
};

/// What a question may begin with, as visitors write it; longer ones first.
pub(super) const GREETINGS: Phrases = "\
    我想问一下|good afternoon|good morning|good evening|请问一下|想问一下|hello there|hey there|greetings|dear team|你好呀|你好啊|\
    早上好|上午好|中午好|下午好|晚上好|你们好|hi there|good day|您好|你好|哈喽|在吗|请问|hello|howdy|hiya|hey|嗨|hi";
