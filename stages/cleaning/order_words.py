"""Words, by language, that announce an order's, an account's or another number of one's own.

All languages are looked for at once: a word of another language costs nothing. Latin words open at
the start of a word; those of other scripts stand anywhere, for some of these write no spaces.
"""

LATIN = {
    "en": "order|account|acct|a/c|booking|reservation|confirmation|reference|ref|case|ticket"
    "|tracking|invoice|customer|member|membership|policy|claim|parcel|shipment|consignment"
    "|request|complaint|incident|imei|serial|pnr|locator|sr|awb|loyalty|transaction|card|rma|passport|licence"
    "|license",
    "de": "bestellung|bestell|auftrag|kunden|kunde|rechnung|sendung|paket|vorgang|buchung"
    "|konto|vertrag|mitglied|reservierung|aktenzeichen|kassenzeichen|reklamation|karten"
    "|reisepass|ausweis|personalausweis",
    "fr": "commande|compte|facture|dossier|colis|suivi|réservation|client|contrat|adhérent|réf"
    "|référence|sinistre|carte|passeport",
    "es": "pedido|cuenta|factura|reserva|cliente|envío|seguimiento|caso|contrato|póliza|referencia"
    "|expediente|tarjeta|localizador|guía|pasaporte",
    "pt": "encomenda|conta|fatura|protocolo|rastreio|rastreamento|apólice|cartão|chamado|passaporte",
    "it": "ordine|conto|fattura|prenotazione|pratica|spedizione|contratto|tessera|riferimento|polizza"
    "|segnalazione|carta|passaporto",
    "nl": "bestelling|bestel|klant|klanten|factuur|rekening|zending|pakket|boeking|dossier|polis",
    "pl": "zamówienie|zamówienia|konto|konta|klienta|faktura|faktury|przesyłka|przesyłki|umowa|umowy",
    "sv-da-nb": "beställning|bestilling|ordre|kund|kunde|faktura|ärende|sagsnummer|saksnummer|bokning|konto",
    "fi": "tilaus|tilausnumero|asiakas|lasku|varaus|tilinumero",
    "cs-sk": "objednávka|objednávky|účet|zákazník|faktura|zásielka|zásilka|rezervace",
    "hu": "rendelés|rendelési|ügyfél|számla|foglalás|csomag",
    "ro": "comanda|comandă|comenzii|contul|factura|colet|rezervare",
    "tr": "sipariş|hesap|fatura|müşteri|kargo|takip|rezervasyon|üye",
    "vi": "đơn hàng|mã đơn|mã đơn hàng|tài khoản|hóa đơn|khách hàng|vận đơn",
    "id-ms": "pesanan|nomor akun|nombor akaun|nomor resi|no resi|faktur|invois|pelanggan|tempahan|rekening",
    "sw": "nambari ya oda|akaunti|ankara",
}
OTHER = {
    "ru": "заказ|счет|счёт|договор|накладн|бронирован|обращени|заявк|посылк|клиент|полис|карт",
    "uk": "замовлен|рахун|договір|посилк|звернен|бронюван",
    "el": "παραγγελ|λογαριασμ|τιμολόγι|πελάτη|κράτηση|αποστολ",
    "ar-fa-ur": "طلب|حساب|فاتورة|حجز|شحنة|تذكرة|عضوية|بوليصة|بلاغ|سفارش|فاکتور|رزرو|مشتری|آرڈر|اکاؤنٹ",
    "he": "הזמנה|חשבון|חשבונית|לקוח|משלוח|פנייה|פוליסה",
    "hi-mr-bn": "ऑर्डर|आर्डर|आदेश|खाता|खाते|बुकिंग|रसीद|टिकट|शिकायत|ग्राहक|अर्डर|অর্ডার|অ্যাকাউন্ট|বুকিং",
    "ta-te": "ஆர்டர்|கணக்கு|ఆర్డర్|ఖాతా",
    "zh": "订单|訂單|账号|賬號|帳號|账户|賬戶|帳戶|运单|運單|快递|快遞|单号|單號|会员|會員|客户|客戶|工单|工單"
    "|卡号|卡號|发票|發票|合同|预订|預訂|流水",
    "ja": "注文|予約|会員|伝票|問い合わせ|問合せ|受付|追跡|口座|契約|お客様|請求書|整理番号",
    "ko": "주문|예약|회원|송장|계좌|접수|고객|계약|운송장",
    "th-km-lo": "คำสั่งซื้อ|ออเดอร์|บัญชี|พัสดุ|การจอง|สมาชิก|ใบแจ้งหนี้|បញ្ជាទិញ|គណនី|ຄໍາສັ່ງຊື້|ບັນຊີ",
}
# What may stand between such a word and its number: a word for "number" …
MARKS = (
    r"number|nos?\b|num|nrs?\b|id|code|ref|reference|confirmation|nummer|numéro|n\.|n°|nº|n\.º|número"
    r"|numero|numer|numărul|numara(?:sı|m)?|nömrəsi|čísl[oa]|szám|no'?lu|nomor|số|kodu?|kod|código|codice|номер\w{0,2}"
    r"|№|αριθμ\w{1,2}|رقم|شماره|نمبر|מספר|नंबर|नम्बर|संख्या|क्रमांक|নম্বর|எண்|号码|號碼|编号|編號|号|號|番号|ナンバー"
    r"|번호|หมายเลข|เลขที่|លេខ|ເລກທີ"
)
# … and one that joins them.
JOINS = (
    r"\b(?:is|was|are|of|called|by|ist|lautet|war|est|es|è|é|e|jest|är|er|on|to|là|adalah|ialah)\b"
    r"|это|είναι|هو|هي|است|הוא|है|は|が|是|为|為|은|는|이|คือ|គឺ"
)
