"""Small made-up files of exactly the shape of the public ones: header, order of columns, spelling, quirks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

HANDBOOK = """\
TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_TIME_SECONDS,TX_TIME_DAYS,TX_FRAUD,TX_FRAUD_SCENARIO
1,2018-04-01 00:02:10,4961,3412,81.51,130,0,0,0
0,2018-04-01 00:00:31,596,3156,57.16,31,0,0,0
2,2018-04-02 07:56:00,596,3156,257.5,114960,1,1,1
"""

SPARKOV = """\
,trans_date_trans_time,cc_num,merchant,category,amt,first,last,gender,street,city,state,zip,lat,long,city_pop,job,dob,\
trans_num,unix_time,merch_lat,merch_long,is_fraud
0,2019-01-01 00:00:18,2703186189652095,"fraud_Rippin, Kub and Mann",misc_net,4.97,Ann,Bell,F,1 Elm St,Ayr,NC,28654,\
36.0788,-81.1781,3495,"Psychologist, counselling",1988-03-09,0b24,1325376018,36.011293,-82.048315,0
1,2019-01-02 01:06:37,2703186189652095,fraud_Kutch LLC,grocery_pos,281.06,Ann,Bell,F,1 Elm St,Ayr,NC,28654,\
36.0788,-81.1781,3495,"Psychologist, counselling",1988-03-09,e8a8,1325466397,36.43,-81.17,1
"""

IEEE_TRANSACTIONS = (
    "TransactionID,isFraud,TransactionDT,TransactionAmt,ProductCD,card1,card2,card3,card4,card5,card6,addr1,addr2,"
    "dist1,dist2,P_emaildomain,R_emaildomain,"
    + ",".join([f"C{i}" for i in range(1, 15)] + [f"D{i}" for i in range(1, 16)] + ["M1", "V1"])
    + "\n"
    + "2987000,0,86400,68.5,W,13926,,150.0,discover,142.0,credit,315.0,87.0,19.0,,,,"
    + ",".join(["1.0"] * 14 + ["14.0", "", "13.0"] + [""] * 12 + ["T", "1.0"])
    + "\n"
    + "2987004,1,172906,50.0,H,4497,514.0,150.0,mastercard,102.0,credit,420.0,87.0,,,gmail.com,,"
    + ",".join(["1.0"] * 14 + [""] * 15 + ["", ""])
    + "\n"
)

IEEE_IDENTITY = """\
TransactionID,id_01,id_30,DeviceType,DeviceInfo
2987004,0.0,Android 7.0,mobile,SAMSUNG SM-G892A Build/NRD90M
"""

CREDITCARD = (
    ",".join(f'"{name}"' for name in ["Time", *(f"V{i}" for i in range(1, 29)), "Amount", "Class"])
    + "\n"
    + ",".join(["0", "-1.3598071336738", *["0.1"] * 27, "149.62", '"0"'])
    + "\n"
    + ",".join(["1e+05", "1.19", *["-3.1e-05"] * 27, "2.69", '"1"'])
    + "\n"
)

PAYSIM = """\
step,type,amount,nameOrig,oldbalanceOrg,newbalanceOrig,nameDest,oldbalanceDest,newbalanceDest,isFraud,isFlaggedFraud
1,PAYMENT,9839.64,C1231006815,170136.0,160296.36,M1979787155,0.0,0.0,0,0
1,TRANSFER,181.0,C1305486145,181.0,0.0,C553264065,0.0,0.0,1,0
25,CASH_OUT,181.0,C840083671,181.0,0.0,C38997010,21182.0,0.0,1,0
"""

BANKSIM = """\
step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud
0,'C1093826151','4','M','28007','M348934600','28007','es_transportation',4.55,0
1,'C352968107','2','M','28007','M348934600','28007','es_transportation',39.68,1
"""

TABFORMER = """\
User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Merchant State,Zip,MCC,Errors?,Is Fraud?
0,0,2002,9,1,06:21,$134.09,Swipe Transaction,3527213246127876953,La Verne,CA,91750.0,5300,,No
0,0,2002,9,1,06:42,$-99.00,Swipe Transaction,-727612092139916043,Monterey Park,CA,91754.0,5411,,No
1,2,2002,8,31,23:59,$12.00,Online Transaction,-727612092139916043,ONLINE,,,5311,"Bad PIN,",Yes
"""

PURCHASES = """\
user_id,signup_time,purchase_time,purchase_value,device_id,source,browser,sex,age,ip_address,class
22058,2015-02-24 22:55:49,2015-04-18 02:47:11,34,QVPSPJUOCKZAR,SEO,Chrome,M,39,732758368.79972,0
333320,2015-06-07 20:39:50,2015-06-08 01:38:54,16,EOGFQPIZPYXFZ,Ads,Chrome,F,53,350311387.865908,0
1359,2015-01-01 18:52:44,2015-01-01 18:52:45,15,YSSKYOSJHPPLJ,SEO,Opera,M,53,2621473820.11095,1
"""

ADDRESSES = """\
lower_bound_ip_address,upper_bound_ip_address,country
729808896.0,734003199,Japan
335544320.0,352321535,United States
2621000000.0,2621400000,Spain
"""

FILES: dict[str, dict[str, str]] = {
    "handbook": {"transactions.csv": HANDBOOK},
    "sparkov": {"fraudTrain.csv": SPARKOV},
    "ieee_cis": {"train_transaction.csv": IEEE_TRANSACTIONS, "train_identity.csv": IEEE_IDENTITY},
    "creditcard": {"creditcard.csv": CREDITCARD},
    "paysim": {"PS_20174392719_1491204439457_log.csv": PAYSIM},
    "banksim": {"bs140513_032310.csv": BANKSIM},
    "tabformer": {"card_transaction.v1.csv": TABFORMER},
    "ecommerce": {"Fraud_Data.csv": PURCHASES, "IpAddress_to_Country.csv": ADDRESSES},
}
"""Files of each set by name."""


def write(name: str, folder: Path, change: Callable[[str], str] = str) -> Path:
    """Write the files of a set into a folder and return it; the first one, changed."""
    folder.mkdir(exist_ok=True)
    for i, (file, text) in enumerate(FILES[name].items()):
        (folder / file).write_text(text if i else change(text), encoding="utf-8")
    return folder
