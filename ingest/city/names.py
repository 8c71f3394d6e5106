"""Words a city is named with.

Streets bear the names of people and dates that streets all over the country bear; which street has which name here is
made up, and so is every shop and school."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.str_]


def _words(text: str) -> Words:
    return np.array([word.strip() for word in text.replace("\n", " ").split(",")])


STREETS = _words("""
Lê Lợi, Nguyễn Huệ, Trần Hưng Đạo, Lý Thường Kiệt, Hai Bà Trưng, Điện Biên Phủ, Nguyễn Thị Minh Khai, Cách Mạng
Tháng Tám, Võ Văn Kiệt, Nguyễn Trãi, Lý Tự Trọng, Đồng Khởi, Pasteur, Nam Kỳ Khởi Nghĩa, Lê Duẩn, Tôn Đức Thắng,
Nguyễn Đình Chiểu, Võ Thị Sáu, Lê Văn Sỹ, Phan Xích Long, Hoàng Văn Thụ, Phan Đăng Lưu, Bạch Đằng, Xô Viết Nghệ
Tĩnh, Nơ Trang Long, Quang Trung, Lê Quang Định, Phan Văn Trị, Nguyễn Oanh, Nguyễn Kiệm, Phạm Văn Đồng, Kha Vạn Cân,
Võ Văn Ngân, Đặng Văn Bi, Lê Văn Việt, Nguyễn Văn Linh, Huỳnh Tấn Phát, Nguyễn Thị Thập, Lâm Văn Bền, Trần Xuân
Soạn, Nguyễn Tất Thành, Đoàn Văn Bơ, Hoàng Diệu, Khánh Hội, Bến Vân Đồn, Dương Bá Trạc, Phạm Thế Hiển, Tạ Quang Bửu,
Hưng Phú, Phạm Hùng, Nguyễn Tri Phương, Ngô Gia Tự, Ba Tháng Hai, Lý Thái Tổ, Sư Vạn Hạnh, Thành Thái, Tô Hiến
Thành, Lạc Long Quân, Âu Cơ, Hoà Bình, Luỹ Bán Bích, Tân Hương, Gò Dầu, Tân Kỳ Tân Quý, Cộng Hoà, Trường Chinh,
Hoàng Hoa Thám, Bình Giã, Út Tịch, Phạm Văn Hai, Bùi Thị Xuân, Lê Bình, Nguyễn Ảnh Thủ, Lê Văn Khương, Tô Ký, Hà Huy
Giáp, Nguyễn Văn Quá, Phan Huy Ích, Lê Đức Thọ, Thống Nhất, Cây Trâm, Kinh Dương Vương, Hồng Bàng, Hậu Giang, Bình
Tiên, Bà Hom, An Dương Vương, Tên Lửa, Mã Lò, Lê Trọng Tấn, Bình Long, Nguyễn Sơn, Thạch Lam, Độc Lập, Vườn Lài,
Nguyễn Hữu Cảnh, Ngô Tất Tố, Phạm Viết Chánh, Nguyễn Cửu Vân, Đinh Bộ Lĩnh, Ung Văn Khiêm, Nguyễn Xí, Chu Văn An,
Bùi Đình Tuý, Phan Chu Trinh, Lê Hồng Phong, Trần Phú, An Bình, Nguyễn Văn Cừ, Trần Bình Trọng, Huỳnh Mẫn Đạt,
Nguyễn Biểu, Cao Đạt, Châu Văn Liêm, Hải Thượng Lãn Ông, Triệu Quang Phục, Lương Nhữ Học, Phùng Hưng, Ngô Quyền,
Nguyễn Chí Thanh, Thuận Kiều, Tạ Uyên, Minh Phụng, Ông Ích Khiêm, Lãnh Binh Thăng, Đặng Nguyên Cẩn, Phú Thọ, Hoà
Hảo, Vĩnh Viễn, Nhật Tảo, Bà Hạt, Hùng Vương, Yersin, Calmette, Ký Con, Phó Đức Chính, Nguyễn Thái Bình, Trần Quang
Khải, Đinh Tiên Hoàng, Nguyễn Bỉnh Khiêm, Mạc Đĩnh Chi, Phùng Khắc Khoan, Trần Cao Vân, Nguyễn Văn Trỗi, Trương
Định, Bà Huyện Thanh Quan, Trần Quốc Thảo, Ngô Thời Nhiệm, Tú Xương, Kỳ Đồng, Rạch Bùng Binh, Trần Huy Liệu, Đặng
Văn Ngữ, Hồ Biểu Chánh, Huỳnh Văn Bánh, Đào Duy Anh, Hồ Văn Huê, Nguyễn Trọng Tuyển, Phạm Ngọc Thạch, Võ Chí Công,
Đồng Văn Cống, Nguyễn Duy Trinh, Mai Chí Thọ, Lương Định Của, Trần Não, Xa Lộ Hà Nội, Thảo Điền, Quốc Hương, Xuân
Thuỷ, Đại lộ Bình Dương, Huỳnh Văn Luỹ, Thích Quảng Đức, Ngô Chí Quốc, Lồ Ô, Nguyễn An Ninh, Trương Công Định, Ba
Cu, Thuỳ Vân, Hạ Long, Phan Bội Châu, Phan Châu Trinh, Nguyễn Hữu Thọ, Lê Văn Lương, Nguyễn Bình, Đào Sư Tích,
Nguyễn Văn Tạo, Rừng Sác, Duyên Hải, Tam Thôn Hiệp, Tỉnh Lộ 8, Nguyễn Văn Khạ, Bến Than, Trần Tử Bình, Đỗ Đăng
Tuyển, Phan Văn Hớn, Nguyễn Thị Sóc, Đặng Thúc Vịnh, Đặng Công Bỉnh, Song Hành, Nguyễn Thị Tú, Quách Điêu, Vĩnh Lộc,
Thới Hoà, Trần Văn Giàu, Võ Văn Vân, Trần Đại Nghĩa, Hồ Học Lãm, Võ Văn Liêm, Nguyễn Cửu Phú
""")
HIGHWAYS = _words(
    "Quốc lộ 1, Quốc lộ 13, Quốc lộ 22, Quốc lộ 51, Quốc lộ 50, Quốc lộ 55, Quốc lộ 56, Mỹ Phước - Tân Vạn"
)
WATERS = _words("""
Bến Nghé, Thị Nghè, Nhiêu Lộc, Tàu Hủ, Bến Đình, Lò Gốm, Ông Lớn, Xuyên Tâm, Bà Lài, Chiếc, Đỉa, Ông Kèo, Bà Tàng,
Nước Lên, Ruột Ngựa, Văn Thánh, Cầu Bông, Tra, Vàm Thuật, Bến Cát, Gò Dưa, Trau Trảu, Ông Nhiêu, Ba Tàu, Giồng, Dơi,
Tôm, Lá, Tràm, Dừa
""")
PEOPLE = _words("""
Nguyễn Du, Trần Quốc Toản, Lê Quý Đôn, Võ Trường Toản, Nguyễn Bỉnh Khiêm, Chu Văn An, Lương Thế Vinh, Nguyễn Khuyến,
Trần Văn Ơn, Kim Đồng, Lê Văn Tám, Đinh Tiên Hoàng, Nguyễn Thái Học, Phan Bội Châu, Hồng Đức, Bùi Thị Xuân, Nguyễn
Trường Tộ, Ngô Sĩ Liên, Lý Phong, Hoàng Hoa Thám, Trần Khai Nguyên, Hùng Vương, Mạc Đĩnh Chi, Nguyễn Hữu Huân, Lê
Thị Riêng, Âu Lạc, Phù Đổng, Lạc Hồng
""")
FLOWERS = _words(
    "Hoa Sen, Hoa Mai, Hoạ Mi, Sơn Ca, Ánh Dương, Tuổi Thơ, Măng Non, Vàng Anh, Rạng Đông, Bông Sen, Thiên Thần"
)
HOUSES = _words("""
An Phát, Đại Lợi, Hưng Thịnh, Minh Long, Phú Quý, Tân Tiến, Thành Công, Hoàng Gia, Việt Tín, Kim Ngân, Đông Á, Nam
Phương, Sao Mai, Thiên Ân, Bình Minh, Hải Âu, Ngọc Lan, Gia Hưng, Tâm Đức, Phương Nam, Vạn Xuân, Trường Thịnh, Lộc
Phát, Đức Huy
""")
OPERATORS = _words(
    "Hợp tác xã vận tải mẫu số 1, Hợp tác xã vận tải mẫu số 2, Công ty xe buýt mẫu A, Công ty xe buýt mẫu B"
)
